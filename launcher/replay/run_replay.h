// Runs what `lockstep replay` is asked for: reads the trace, replays it under every policy and capacity.
#pragma once

#include "launcher/replay/replay_report.h"
#include "launcher/replay/replay_settings.h"

#include <functional>
#include <string>

namespace lockstep {

/// `progress` gets a line of text now and then, about what runs.
/// Throws: as the readers of trace_reader.h; ConfigError for a requests file without --model.
ReplayReport run_replay(const ReplaySettings& settings, const std::function<void(const std::string&)>& progress);

}  // namespace lockstep
