// The job's state as a small JSON file that programs may read at any time: dashboards, cluster scripts. Unlike results,
// it holds times and hosts.
#pragma once

#include "launcher/batch/progress.h"

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>

namespace lockstep {

/// Not thread-safe. Only rank 0 has one.
class StatusFile {
 public:
  using Clock = std::chrono::steady_clock;

  /// "" = no file: every call does nothing.
  explicit StatusFile(std::filesystem::path path, std::chrono::milliseconds interval = std::chrono::seconds(1));

  /// Whether update() would write: the last time is an interval ago.
  bool is_due(Clock::time_point now = Clock::now()) const;
  /// Writes if it is due. A file that cannot be written is warned of once: a full disk must not end a job for its
  /// dashboard.
  void update(const ProgressReport& report, Clock::time_point now = Clock::now());
  /// Writes at once. `state`: "loading", "running", "stopped", "finished", "failed".
  void write(std::string_view state, const ProgressReport& report);

 private:
  std::filesystem::path path_;
  std::chrono::milliseconds interval_;
  Clock::time_point last_write_;
  bool has_warned_ = false;
};

/// An indented JSON object with a line end; `unix_time` in seconds.
std::string format_status(std::string_view state, const ProgressReport& report, int64_t unix_time);

}  // namespace lockstep
