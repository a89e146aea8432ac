// Tells a person how far a job is: one line that is rewritten on a terminal, a plain line now and then in a log file.
// status.h tells programs the same. Not thread-safe. Only rank 0 has one.
#pragma once

#include "launcher/metrics/engine_figures.h"

#include <chrono>
#include <cstdint>
#include <deque>
#include <iosfwd>
#include <string>

namespace lockstep {

/// Rows finished and tokens handled so far, in this run.
struct ProgressCounts {
  /// Answered or failed.
  int64_t rows_done = 0;
  int64_t rows_failed = 0;
  int64_t prompt_tokens = 0;
  int64_t generated_tokens = 0;
};

/// What the engines of all replicas hold now.
struct ProgressGauges {
  int64_t running = 0, waiting = 0;
  /// Cache pages that running sequences hold, of all.
  int64_t used_pages = 0, total_pages = 0;
};

/// A job's state at one moment.
struct ProgressReport {
  int64_t rows_total = 0;
  /// Finished and failed, by earlier runs too.
  int64_t rows_done = 0, rows_failed = 0;
  int64_t rows_resumed = 0;
  int64_t prompt_tokens = 0, generated_tokens = 0;
  /// Over recent time.
  double prompt_tokens_per_second = 0.0, generated_tokens_per_second = 0.0;
  /// Of this run; seconds_left is negative while unknown.
  double seconds = 0.0, seconds_left = -1.0;
  ProgressGauges gauges;
  /// Of all replicas; those of replicas other than the first are as of their last finished row. Not filled by Progress.
  EngineFigures engines{};
};

class Progress {
 public:
  using Clock = std::chrono::steady_clock;

  struct Options {
    /// Rows of the job, and those that an earlier run finished.
    int64_t rows_total = 0;
    int64_t rows_resumed = 0;
    int64_t rows_failed_before = 0;
    /// Rewrite one line (≤ 5 times a second) instead of adding plain ones.
    bool is_terminal = false;
    std::chrono::milliseconds plain_interval{10000};
    /// Rates are means over this much recent time.
    std::chrono::milliseconds rate_window{10000};
  };

  /// `out` is usually std::cerr and must outlive this object.
  Progress(std::ostream& out, Options options, Clock::time_point now = Clock::now());

  /// Cheap when nothing is due: call it every step.
  void update(const ProgressCounts& counts, const ProgressGauges& gauges, Clock::time_point now = Clock::now());
  /// Prints the last state and ends the line.
  void finish(const ProgressCounts& counts, Clock::time_point now = Clock::now());
  /// As of the last update().
  ProgressReport report() const;

 private:
  struct Sample {
    Clock::time_point time;
    ProgressCounts counts;
  };
  std::string line() const;
  void print();

  std::ostream& out_;
  Options options_;
  Clock::time_point start_;
  Clock::time_point last_print_;
  Sample latest_;
  ProgressGauges gauges_;
  /// The oldest one begins the window that rates are means over; never empty.
  std::deque<Sample> samples_;
  size_t last_width_ = 0;
};

/// Is standard error a terminal?
bool stderr_is_terminal();

/// "8s", "3m07s", "2h05m", "4d03h".
std::string format_duration(double seconds);

}  // namespace lockstep
