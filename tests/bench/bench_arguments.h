// What the command line of a bench says: values in their places, and options anywhere among them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::test {

struct BenchArguments {
  std::vector<std::string> values;
  std::map<std::string, std::string> options;  // --name VALUE and --name=VALUE, without the dashes

  /// Throws ConfigError for an option that is not in `accepted`, has no value, or is given twice.
  BenchArguments(int argc, char** argv, const std::vector<std::string_view>& accepted);

  /// Throws ConfigError where more than `most` values are given.
  void expect_at_most(size_t most) const;
  /// The whole number at place `index`, `otherwise` if there is none.
  /// Throws ConfigError naming `name` and the range for anything else than a number in [least, 2^31).
  int64_t number(size_t index, std::string_view name, int64_t otherwise, int64_t least) const;
};

/// Positive finite number; throws ConfigError naming `name`.
double parse_positive(std::string_view name, const std::string& text);

/// Items of a list with commas.
std::vector<std::string> split_list(const std::string& text);

}  // namespace lockstep::test
