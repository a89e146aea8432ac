#include "launcher/commands/bench/statistics.h"

#include "core/error.h"

#include <algorithm>

namespace lockstep::bench {

std::string Spread::range(int decimals) const { return fmt::format("{:.{}f}..{:.{}f}", low, decimals, high, decimals); }

Spread spread_of(std::vector<double> values) {
  LS_CHECK(!values.empty(), "no measurement");
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values.front(), values.back()};
}

}  // namespace lockstep::bench
