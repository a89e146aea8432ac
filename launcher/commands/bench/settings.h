// The options that the kinds of `lockstep bench` have in common.
#pragma once

#include "core/settings/engine_settings.h"
#include "core/settings/option_set.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lockstep {
class Communicator;
}

namespace lockstep::bench {

struct CommonSettings {
  std::string shape;  // instead of a model
  std::string json;   // file for the figures
  int64_t repeats = 5;
  int64_t ceiling_mib = 1024, ceiling_product = 0;

  void add_to(OptionSet& options);
  /// Completes `engine` (a shape becomes its model path) and checks both. Throws ConfigError.
  void resolve(EngineSettings& engine, const Communicator& world) const;
};

/// "1,8,64" as numbers. Throws ConfigError naming `key` for anything but positive numbers below 10^9.
std::vector<int64_t> parse_list(const std::string& key, const std::string& text);

/// Throws ConfigError unless `value` is at least 1.
void require_positive(const std::string& key, int64_t value);

}  // namespace lockstep::bench
