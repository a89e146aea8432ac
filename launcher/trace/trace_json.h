// A rank's spans as Chrome's trace events, which ui.perfetto.dev, chrome://tracing and Speedscope open. Pure text; the
// file around them is launcher/trace/trace_writer.h's. Format: "Trace Event Format", Google, events of phases X and M.
#pragma once

#include "core/trace.h"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

/// "host", "compute", "collectives", "transfers".
std::string_view name_of(TraceTrack track);

/// What names a rank in the picture: a process there, with a thread for each track.
struct TraceProcess {
  int32_t rank = 0;
  std::string name;    // "rank 3 (replica 1, tensor-parallel 1)"
  std::string labels;  // host and device
};

/// Each event starts with ",\n".
std::string format_process(const TraceProcess& process);
/// `zero` is the time that becomes 0; nothing is earlier. Times are microseconds with three decimals.
std::string format_spans(int32_t rank, std::span<const TraceSpan> spans, int64_t zero);

/// By track and time, so that a span comes before those within it. Ends are moved where a span would leave the one it
/// began in: times of a stream are read off to a few microseconds, and pictures need spans that nest.
void sort_and_nest(std::vector<TraceSpan>& spans);

}  // namespace lockstep
