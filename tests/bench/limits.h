// Limits that a bench judges its own figures by, given as --limit name=value,…: one that is passed is said, and makes
// the exit code 1. None are given by default: figures belong to a machine.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::test {

class Limits {
 public:
  Limits() = default;
  /// Throws ConfigError, naming the accepted names, for other names, names given twice, and values that are not above
  /// 0.
  Limits(const std::string& text, const std::vector<std::string_view>& accepted);

  /// Judges `figure`, which is called `what`, by the limit `name`, if there is one. Anything but a number passes it.
  void expect_at_most(std::string_view name, const std::string& what, double figure);
  void expect_at_least(std::string_view name, const std::string& what, double figure);

  /// 1 once a limit was passed, else 0.
  int exit_code() const { return is_passed_ ? 1 : 0; }

 private:
  void judge(std::string_view name, const std::string& what, double figure, bool is_upper);

  std::map<std::string, double, std::less<>> limits_;
  bool is_passed_ = false;
};

}  // namespace lockstep::test
