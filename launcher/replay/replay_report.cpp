#include "launcher/replay/replay_report.h"

#include <fmt/format.h>

namespace lockstep {
namespace {

std::string grouped(int64_t value) {
  std::string digits = std::to_string(value);
  for (auto at = static_cast<int64_t>(digits.size()) - 3; at > 0; at -= 3) digits.insert(static_cast<size_t>(at), ",");
  return digits;
}

double percent(int64_t part, int64_t whole) {
  return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

std::string csv_line(const std::string& policy, int64_t capacity, const ReplayCounts& counts) {
  // hits ≤ accesses < 2^43 for the product.
  const int64_t millionths = counts.accesses == 0 ? 0 : counts.hits * 1'000'000 / counts.accesses;
  return fmt::format("{},{},{},{},{}.{:06},{},{}\n", policy, capacity, counts.accesses, counts.hits,
                     millionths / 1'000'000, millionths % 1'000'000, counts.evictions, counts.returns);
}

}  // namespace

std::string table_of(const ReplayReport& report) {
  std::string text = fmt::format(
      "{} requests in {} order, {} block accesses, {} distinct blocks, longest request {} blocks\n"
      "attainable {:.2f} % (a cache that never forgets)\n",
      grouped(report.num_requests), report.order, grouped(report.num_accesses), grouped(report.num_blocks),
      grouped(report.longest_request), percent(report.num_attainable(), report.num_accesses));
  if (report.num_ambiguous_ids > 0) {
    text += fmt::format("{} ids stand behind different blocks: each place counts as a block of its own\n",
                        grouped(report.num_ambiguous_ids));
  }
  if (report.series.empty()) return text;
  text += fmt::format("\n{:14}", "hit rate, %");
  for (const ReplayPoint& point : report.series.front().points) text += fmt::format(" {:>12}", grouped(point.capacity));
  text += "\n";
  for (const ReplaySeries& series : report.series) {
    text += fmt::format("{:14}", series.policy);
    for (const ReplayPoint& point : series.points) {
      text += fmt::format(" {:>12.2f}", percent(point.counts.hits, point.counts.accesses));
    }
    text += "\n";
  }
  return text;
}

std::string csv_of(const ReplayReport& report) {
  std::string text = "policy,capacity_blocks,accesses,hits,hit_rate,evictions,returns\n";
  for (const ReplaySeries& series : report.series) {
    for (const ReplayPoint& point : series.points) text += csv_line(series.policy, point.capacity, point.counts);
  }
  return text +
         csv_line("attainable", report.num_blocks, {.accesses = report.num_accesses, .hits = report.num_attainable()});
}

}  // namespace lockstep
