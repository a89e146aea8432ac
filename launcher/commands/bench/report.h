// The machine-readable form of what a benchmark measured.
#pragma once

#include "launcher/commands/bench/limits.h"
#include "launcher/commands/bench/statistics.h"
#include "launcher/session.h"

#include <nlohmann/json.hpp>
#include <string>

namespace lockstep::bench {

/// {"median": …, "low": …, "high": …}
nlohmann::json to_json(const Spread& spread);

/// What every report begins with: kind, version, model, device, ranks.
nlohmann::json report_head(const std::string& kind, const std::string& model, const ModelConfig& config, DType dtype,
                           const Runtime& runtime, int32_t ranks);
nlohmann::json report_head(const std::string& kind, const Session& session);

/// Writes `report` to `path`; nothing for an empty path. Throws IoError.
void write_report(const std::string& path, const nlohmann::json& report);

}  // namespace lockstep::bench
