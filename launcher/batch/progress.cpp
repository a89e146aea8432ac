#include "launcher/batch/progress.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <ostream>
#include <unistd.h>

namespace lockstep {
namespace {

constexpr std::chrono::milliseconds kTerminalInterval{200};
// A window keeps at most this many samples.
constexpr int kSamplesPerWindow = 20;

double seconds_between(Progress::Clock::time_point begin, Progress::Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

}  // namespace

Progress::Progress(std::ostream& out, Options options, Clock::time_point now)
    : out_(out), options_(options), start_(now), last_print_(now), latest_{now, {}}, samples_{latest_} {}

void Progress::update(const ProgressCounts& counts, const ProgressGauges& gauges, Clock::time_point now) {
  latest_ = {now, counts};
  gauges_ = gauges;
  if (now - samples_.back().time >= options_.rate_window / kSamplesPerWindow) samples_.push_back(latest_);
  while (samples_.size() > 1 && now - samples_[1].time >= options_.rate_window) samples_.pop_front();
  if (now - last_print_ >= (options_.is_terminal ? kTerminalInterval : options_.plain_interval)) print();
}

void Progress::finish(const ProgressCounts& counts, Clock::time_point now) {
  latest_ = {now, counts};
  gauges_ = {0, 0, 0, gauges_.total_pages};
  print();
  if (options_.is_terminal) out_ << std::endl;
}

ProgressReport Progress::report() const {
  const ProgressCounts& counts = latest_.counts;
  ProgressReport report{.rows_total = options_.rows_total,
                        .rows_done = options_.rows_resumed + counts.rows_done,
                        .rows_failed = options_.rows_failed_before + counts.rows_failed,
                        .rows_resumed = options_.rows_resumed,
                        .prompt_tokens = counts.prompt_tokens,
                        .generated_tokens = counts.generated_tokens,
                        .seconds = seconds_between(start_, latest_.time),
                        .gauges = gauges_};
  const double window = seconds_between(samples_.front().time, latest_.time);
  const auto rate = [&](int64_t ProgressCounts::*tokens) {
    return window > 0 ? static_cast<double>(counts.*tokens - samples_.front().counts.*tokens) / window : 0.0;
  };
  report.prompt_tokens_per_second = rate(&ProgressCounts::prompt_tokens);
  report.generated_tokens_per_second = rate(&ProgressCounts::generated_tokens);
  // Rows end in bursts, so the time left comes from the mean over the whole run.
  const int64_t rows_left = report.rows_total - report.rows_done;
  if (rows_left <= 0)
    report.seconds_left = 0.0;
  else if (counts.rows_done > 0)
    report.seconds_left = report.seconds * static_cast<double>(rows_left) / static_cast<double>(counts.rows_done);
  return report;
}

std::string Progress::line() const {
  const ProgressReport r = report();
  const auto percent = [](int64_t part, int64_t whole) {
    return whole > 0 ? 100.0 * static_cast<double>(part) / static_cast<double>(whole) : 100.0;
  };
  std::string text = fmt::format("{}/{} rows ({:.1f}%)", r.rows_done, r.rows_total, percent(r.rows_done, r.rows_total));
  if (r.rows_failed > 0) text += fmt::format(", {} failed", r.rows_failed);
  text += fmt::format(" | {:.0f} prompt tok/s, {:.0f} generated tok/s", r.prompt_tokens_per_second,
                      r.generated_tokens_per_second);
  if (r.gauges.running + r.gauges.waiting > 0)
    text += fmt::format(" | {} running, {} waiting, cache {:.0f}%", r.gauges.running, r.gauges.waiting,
                        percent(r.gauges.used_pages, r.gauges.total_pages));
  return text + fmt::format(" | {} left", r.seconds_left < 0 ? "unknown" : format_duration(r.seconds_left));
}

void Progress::print() {
  last_print_ = latest_.time;
  const std::string text = line();
  if (!options_.is_terminal) {
    out_ << text << std::endl;
    return;
  }
  const size_t width = text.size();
  out_ << '\r' << text << std::string(last_width_ > width ? last_width_ - width : 0, ' ') << std::flush;
  last_width_ = width;
}

bool stderr_is_terminal() { return ::isatty(STDERR_FILENO) == 1; }

std::string format_duration(double seconds) {
  const int64_t whole = std::llround(std::clamp(seconds, 0.0, 1e9));
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  if (whole < 86400) return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
  return fmt::format("{}d{:02}h", whole / 86400, whole / 3600 % 24);
}

}  // namespace lockstep
