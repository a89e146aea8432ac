#include "tests/bench/limits.h"

#include "core/error.h"
#include "tests/bench/bench_arguments.h"

#include <algorithm>
#include <cstdio>
#include <fmt/ranges.h>

namespace lockstep::test {

Limits::Limits(const std::string& text, const std::vector<std::string_view>& accepted) {
  for (const std::string& item : split_list(text)) {
    const size_t equals = item.find('=');
    const std::string name = item.substr(0, equals);
    LS_REQUIRE(ConfigError,
               equals != std::string::npos && std::find(accepted.begin(), accepted.end(), name) != accepted.end(),
               "limit '{}': accepted are NAME=NUMBER of {}", item, fmt::join(accepted, ", "));
    LS_REQUIRE(ConfigError, limits_.emplace(name, parse_positive("limit " + name, item.substr(equals + 1))).second,
               "limit {} is given twice", name);
  }
}

void Limits::expect_at_most(std::string_view name, const std::string& what, double figure) {
  judge(name, what, figure, true);
}
void Limits::expect_at_least(std::string_view name, const std::string& what, double figure) {
  judge(name, what, figure, false);
}

void Limits::judge(std::string_view name, const std::string& what, double figure, bool is_upper) {
  const auto limit = limits_.find(name);
  if (limit == limits_.end()) return;
  if (is_upper ? figure <= limit->second : figure >= limit->second) return;
  is_passed_ = true;
  std::printf("limit passed: %s is %.3f, %s %.3f\n", what.c_str(), figure, is_upper ? "above" : "below", limit->second);
}

}  // namespace lockstep::test
