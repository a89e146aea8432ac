// Cache figures for people and for programs: the "cache" block of --summary and --status, and lines of text.
// docs/metrics.md says what each field means.
#pragma once

#include "cache/cache_stats.h"

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace lockstep {

/// An object with all fields, in a fixed order; null where a value is not known.
nlohmann::ordered_json cache_json(const CacheStats& stats);

/// Some lines, the last one with a line end: the tiers that the job has, and what moved between them if anything did.
std::string cache_text(const CacheStats& stats);

}  // namespace lockstep
