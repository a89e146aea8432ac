// The HTTP side of the metrics: answers GET /metrics with the latest snapshot it was given.
//
// Threads of the HTTP library read snapshots only, which nobody changes: they never touch the engine, and the engine
// never waits for them.
#pragma once

#include "launcher/metrics/metrics_snapshot.h"

#include <cstdint>
#include <memory>
#include <string>

namespace lockstep {

class MetricsEndpoint {
 public:
  /// Listens on an IPv4 address (the HTTP library of Debian 12 knows no IPv6); port 0: any free one.
  /// Throws ConfigError naming address, port and the system's reason where that cannot be done.
  MetricsEndpoint(const std::string& address, int64_t port, MetricsSnapshot first);
  ~MetricsEndpoint();

  /// Thread-safe.
  void show(MetricsSnapshot snapshot);
  int64_t port() const;
  /// "http://127.0.0.1:9464/metrics".
  std::string url() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep
