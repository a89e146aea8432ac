// Metrics of a running job for Prometheus: a text file for node_exporter's textfile collector, HTTP, or both. Rank 0
// has one, from before the model is opened to the end of the process. Not thread-safe.
#pragma once

#include "launcher/metrics/metrics_endpoint.h"
#include "launcher/metrics/metrics_snapshot.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace lockstep {

class MetricsExporter {
 public:
  using Clock = std::chrono::steady_clock;

  struct Options {
    std::filesystem::path file;  // "" = none
    int64_t port = -1;           // -1 = no HTTP, 0 = any free one
    std::string address = "127.0.0.1";
    std::chrono::milliseconds interval = std::chrono::seconds(1);
  };

  /// Listens, if asked to, and shows the state "loading". Throws ConfigError if it cannot listen.
  explicit MetricsExporter(Options options, std::string version);

  /// What is known of the job from now on; its version is kept.
  void set_info(JobInfo info);
  /// Whether update() has something to do: the last snapshot is an interval old.
  bool is_due(Clock::time_point now = Clock::now()) const;
  /// Takes a snapshot if one is due. A file that cannot be written is warned of once: it must not end the job.
  void update(const ProgressReport& report, Clock::time_point now = Clock::now());
  /// Takes one now; `state` as StatusFile::write. The count of generated tokens never falls: those of rows that a stop
  /// cut off have been generated all the same.
  void write(std::string_view state, const ProgressReport& report);

  /// Nothing without HTTP.
  const std::optional<MetricsEndpoint>& endpoint() const { return endpoint_; }

 private:
  void write_file();

  Options options_;
  MetricsSnapshot snapshot_;
  std::optional<MetricsEndpoint> endpoint_;
  Clock::time_point last_write_;
  int64_t most_generated_tokens_ = 0;
  bool has_warned_ = false;
};

}  // namespace lockstep
