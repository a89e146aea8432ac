#include "tests/bench/bench_arguments.h"

#include "core/error.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace lockstep::test {

BenchArguments::BenchArguments(int argc, char** argv, const std::vector<std::string_view>& accepted) {
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (!argument.starts_with("--")) {
      values.push_back(argument);
      continue;
    }
    const size_t equals = argument.find('=');
    const std::string name = argument.substr(2, equals == std::string::npos ? equals : equals - 2);
    LS_REQUIRE(ConfigError, std::find(accepted.begin(), accepted.end(), name) != accepted.end(), "no option --{}",
               name);
    LS_REQUIRE(ConfigError, equals != std::string::npos || i + 1 < argc, "--{} has no value", name);
    const std::string value = equals != std::string::npos ? argument.substr(equals + 1) : argv[++i];
    LS_REQUIRE(ConfigError, options.emplace(name, value).second, "--{} is given twice", name);
  }
}

void BenchArguments::expect_at_most(size_t most) const {
  LS_REQUIRE(ConfigError, values.size() <= most, "'{}' is one value too many", values[most]);
}

int64_t BenchArguments::number(size_t index, std::string_view name, int64_t otherwise, int64_t least) const {
  if (index >= values.size()) return otherwise;
  const std::string& text = values[index];
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  LS_REQUIRE(ConfigError, error == std::errc() && end == text.data() + text.size() && value >= least && value <= kMost,
             "{} = {}: accepted are whole numbers from {} to {}", name, text, least, kMost);
  return value;
}

double parse_positive(std::string_view name, const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  LS_REQUIRE(ConfigError, !text.empty() && *end == '\0' && std::isfinite(value) && value > 0.0,
             "{} = {}: accepted are numbers above 0", name, text);
  return value;
}

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> items;
  for (size_t begin = 0;;) {
    const size_t comma = text.find(',', begin);
    items.push_back(text.substr(begin, comma == std::string::npos ? comma : comma - begin));
    if (comma == std::string::npos) return items;
    begin = comma + 1;
  }
}

}  // namespace lockstep::test
