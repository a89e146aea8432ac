// How benches of kernels time a call, so that other work on the machine counts little.
#pragma once

#include <algorithm>
#include <chrono>
#include <ctime>
#include <vector>

namespace lockstep::test {

/// Seconds of the process's processors so far.
inline double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// One thread: processor time, which is what an idle machine takes whatever else runs now, but for memory and caches
/// that are shared. More: wall-clock time.
double seconds_of(int num_threads, const auto& body) {
  const auto wall = std::chrono::steady_clock::now();
  const double start = processor_seconds();
  body();
  if (num_threads == 1) return processor_seconds() - start;
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - wall).count();
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace lockstep::test
