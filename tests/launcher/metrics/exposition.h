// A strict reader of Prometheus' text format 0.0.4, for tests: what it accepts is what the format's specification
// allows and this project promises (units, _total, no series twice).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::testing_support {

using ExpositionLabels = std::map<std::string, std::string>;

struct ExpositionFamily {
  std::string help, type;
  /// By sample name (which differs from the family's for histograms) and labels.
  std::map<std::pair<std::string, ExpositionLabels>, double> samples;
};

struct Exposition {
  std::map<std::string, ExpositionFamily> families;

  /// The value of a series. Throws std::runtime_error if there is none.
  double value(const std::string& name, const ExpositionLabels& labels = {}) const;
  bool has(const std::string& family) const { return families.contains(family); }
};

/// Throws std::runtime_error naming line and fault.
Exposition parse_exposition(std::string_view text);

}  // namespace lockstep::testing_support
