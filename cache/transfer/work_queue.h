// Threads that run tasks, the most urgent first. Private to cache/transfer/.
#pragma once

#include <compare>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace lockstep {

/// Lower is more urgent: older plans first; of a plan, copies out of slots that its computation writes to, then other
/// copies to the host and the first layers of all its promotions in their order, then the next layers.
struct Urgency {
  uint64_t plan = 0;
  int64_t piece = 0;
  uint64_t order = 0;
  auto operator<=>(const Urgency&) const = default;
};

/// Thread-safe.
class WorkQueue {
 public:
  WorkQueue(int64_t num_threads, const std::string& name);
  /// Runs what is queued, then ends the threads.
  ~WorkQueue();
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  /// `task` must not throw.
  void push(const Urgency& urgency, std::function<void()> task);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<Urgency, std::function<void()>> tasks_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace lockstep
