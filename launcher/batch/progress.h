// Tells a person how far a job is: one line that is rewritten on a terminal, a plain line now and then in a log file.
// Not thread-safe. Only rank 0 has one.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <iosfwd>
#include <string>

namespace lockstep {

/// Rows finished and tokens handled so far, in this run.
struct ProgressCounts {
  int64_t rows_done = 0;
  int64_t prompt_tokens = 0;
  int64_t generated_tokens = 0;
};

class Progress {
 public:
  using Clock = std::chrono::steady_clock;

  struct Options {
    /// Rows of the job, and those that an earlier run finished.
    int64_t rows_total = 0;
    int64_t rows_resumed = 0;
    /// Rewrite one line (≤ 5 times a second) instead of adding plain ones.
    bool is_terminal = false;
    std::chrono::milliseconds plain_interval{10000};
    /// Rates are means over this much recent time.
    std::chrono::milliseconds rate_window{10000};
  };

  /// `out` is usually std::cerr and must outlive this object.
  Progress(std::ostream& out, Options options, Clock::time_point now = Clock::now());

  /// Cheap when nothing is due: call it every step.
  void update(const ProgressCounts& counts, Clock::time_point now = Clock::now());
  /// Prints the last state and ends the line.
  void finish(const ProgressCounts& counts, Clock::time_point now = Clock::now());

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
  /// The oldest one begins the window that rates are means over; never empty.
  std::deque<Sample> samples_;
  size_t last_width_ = 0;
};

/// Is standard error a terminal?
bool stderr_is_terminal();

/// "8s", "3m07s", "2h05m", "4d03h".
std::string format_duration(double seconds);

}  // namespace lockstep
