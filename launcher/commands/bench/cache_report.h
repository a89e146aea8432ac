// What `lockstep bench cache` prints and writes of its measurements.
#pragma once

#include "launcher/commands/bench/cache_requests.h"
#include "launcher/commands/bench/statistics.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace lockstep::bench {

/// Requests that found their prefix in one place.
struct PlaceFigures {
  std::string place;  // computed, device, host, disk
  std::vector<CacheUsage> requests;

  Spread seconds() const;
  CacheUsage sum() const;
};

/// A mixed load whose requests found their prefix in one place.
struct MixedFigures {
  std::string place;
  MixedSteps steps;
  double bytes_per_page = 0.0;  // of a rank
};

void print_places(const std::vector<PlaceFigures>& places);
nlohmann::json to_json(const PlaceFigures& place, const PlaceFigures& computed);
/// Bytes and rates of all that was measured at a place, by channel.
void print_channels(const std::string& place, const CacheUsage& usage);
void print_mixed(const std::vector<MixedFigures>& mixed);
nlohmann::json to_json(const MixedFigures& mixed);

}  // namespace lockstep::bench
