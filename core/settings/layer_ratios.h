// Ratios of single layers of a model, as an option gives them: "0:0.02/1:0.3/8-15:0.05".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

/// Plain data. Layers that are not named have none.
class LayerRatios {
 public:
  LayerRatios() = default;

  /// LAYER:RATIO or FIRST-LAST:RATIO, joined by slashes; "none" or "" names no layer. `option` is what errors call it.
  /// Throws ConfigError for other forms, ratios not above 0 and up to 1, and layers named twice.
  static LayerRatios parse(std::string_view option, std::string_view text);

  bool is_empty() const { return entries_.empty(); }
  std::optional<double> of(int64_t layer) const;
  /// -1 if none is named.
  int64_t highest_layer() const { return is_empty() ? -1 : entries_.back().last; }
  /// Of named layers, those below 1; 0 if there are none.
  double largest_below_one() const;
  /// The same for all texts that say the same of every layer.
  std::string text() const;

  bool operator==(const LayerRatios&) const = default;

 private:
  struct Entry {
    int64_t first, last;
    double ratio;
    bool operator==(const Entry&) const = default;
  };
  std::vector<Entry> entries_;  // ascending; neighbours with equal ratios are one
};

}  // namespace lockstep
