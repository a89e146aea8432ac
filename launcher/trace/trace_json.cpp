#include "launcher/trace/trace_json.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <iterator>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, kNumTraceTracks> kTrackNames = {"host", "compute", "collectives", "transfers"};

std::string metadata(std::string_view kind, int32_t rank, size_t thread, const Json& values) {
  const Json event{{"ph", "M"}, {"name", kind}, {"pid", rank}, {"tid", thread}, {"args", values}};
  return ",\n" + event.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

// {"number":7,"rows":2} from "number,rows".
void append_values(std::string& text, const TraceSpan& span) {
  std::string_view keys = span.keys, opening = ",\"args\":{";
  const auto append = [&](std::string_view key, int64_t value) {
    fmt::format_to(std::back_inserter(text), "{}\"{}\":{}", std::exchange(opening, ","), key, value);
  };
  for (size_t i = 0; !keys.empty() && i < TraceSpan::kMostValues; ++i) {
    const size_t comma = std::min(keys.find(','), keys.size());
    append(keys.substr(0, comma), span.values[i]);
    keys.remove_prefix(std::min(comma + 1, keys.size()));
  }
  if (span.stream != 0) append("stream", span.stream);
  if (opening == ",") text += '}';
}

}  // namespace

std::string_view name_of(TraceTrack track) { return kTrackNames[static_cast<size_t>(track)]; }

std::string format_process(const TraceProcess& process) {
  std::string text = metadata("process_name", process.rank, 0, {{"name", process.name}});
  text += metadata("process_labels", process.rank, 0, {{"labels", process.labels}});
  text += metadata("process_sort_index", process.rank, 0, {{"sort_index", process.rank}});
  for (size_t track = 0; track < kNumTraceTracks; ++track) {
    text += metadata("thread_name", process.rank, track, {{"name", kTrackNames[track]}});
    text += metadata("thread_sort_index", process.rank, track, {{"sort_index", track}});
  }
  return text;
}

std::string format_spans(int32_t rank, std::span<const TraceSpan> spans, int64_t zero) {
  std::string text;
  for (const TraceSpan& span : spans) {
    const int64_t begin = std::max<int64_t>(span.begin - zero, 0);
    const int64_t length = std::max<int64_t>(span.end - zero - begin, 0);
    fmt::format_to(std::back_inserter(text),
                   ",\n{{\"ph\":\"X\",\"name\":\"{}\",\"pid\":{},\"tid\":{},\"ts\":{}.{:03},\"dur\":{}.{:03}",
                   span.name, rank, static_cast<int>(span.track), begin / 1000, begin % 1000, length / 1000,
                   length % 1000);
    append_values(text, span);
    text += '}';
  }
  return text;
}

void sort_and_nest(std::vector<TraceSpan>& spans) {
  std::stable_sort(spans.begin(), spans.end(), [](const TraceSpan& a, const TraceSpan& b) {
    return std::tuple(a.track, a.begin, -a.end) < std::tuple(b.track, b.begin, -b.end);
  });
  std::vector<int64_t> open;  // ends of the spans around this one
  TraceTrack track = TraceTrack::kHost;
  for (TraceSpan& span : spans) {
    if (span.track != track) open.clear();
    track = span.track;
    while (!open.empty() && open.back() <= span.begin) open.pop_back();
    if (!open.empty()) span.end = std::min(span.end, open.back());
    open.push_back(span.end);
  }
}

}  // namespace lockstep
