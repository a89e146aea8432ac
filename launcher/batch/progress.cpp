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

void Progress::update(const ProgressCounts& counts, Clock::time_point now) {
  latest_ = {now, counts};
  if (now - samples_.back().time >= options_.rate_window / kSamplesPerWindow) samples_.push_back(latest_);
  while (samples_.size() > 1 && now - samples_[1].time >= options_.rate_window) samples_.pop_front();
  if (now - last_print_ >= (options_.is_terminal ? kTerminalInterval : options_.plain_interval)) print();
}

void Progress::finish(const ProgressCounts& counts, Clock::time_point now) {
  latest_ = {now, counts};
  print();
  if (options_.is_terminal) out_ << std::endl;
}

std::string Progress::line() const {
  const int64_t done = options_.rows_resumed + latest_.counts.rows_done;
  const double percent =
      options_.rows_total > 0 ? 100.0 * static_cast<double>(done) / static_cast<double>(options_.rows_total) : 100.0;
  const double window = seconds_between(samples_.front().time, latest_.time);
  const auto rate = [&](int64_t ProgressCounts::*tokens) {
    return window > 0 ? static_cast<double>(latest_.counts.*tokens - samples_.front().counts.*tokens) / window : 0.0;
  };
  // Rows end in bursts, so the time left comes from the mean over the whole run.
  std::string left = "unknown";
  if (done >= options_.rows_total)
    left = format_duration(0);
  else if (latest_.counts.rows_done > 0)
    left = format_duration(seconds_between(start_, latest_.time) * static_cast<double>(options_.rows_total - done) /
                           static_cast<double>(latest_.counts.rows_done));
  return fmt::format("{}/{} rows ({:.1f}%) | {:.0f} prompt tok/s, {:.0f} generated tok/s | {} left", done,
                     options_.rows_total, percent, rate(&ProgressCounts::prompt_tokens),
                     rate(&ProgressCounts::generated_tokens), left);
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
