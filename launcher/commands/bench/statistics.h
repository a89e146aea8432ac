// What several measurements of the same thing say: the middle one and the range.
#pragma once

#include <string>
#include <vector>

namespace lockstep::bench {

struct Spread {
  double median = 0.0, low = 0.0, high = 0.0;

  /// "low..high" with that many decimals.
  std::string range(int decimals) const;
  /// The same in another unit.
  Spread times(double factor) const { return {median * factor, low * factor, high * factor}; }
  /// `amount` over each: seconds become rates, so that low and high change places.
  Spread rate(double amount) const { return {amount / median, amount / high, amount / low}; }
};

/// Requires at least one value. Of an even number the higher middle.
Spread spread_of(std::vector<double> values);

}  // namespace lockstep::bench
