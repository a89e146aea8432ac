// A thread for calls that may never come back: the kernel cannot be asked to give up a read from a dying disk.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <thread>

namespace lockstep {

/// Thread-safety: run() from one thread at a time; the rest from any.
class DeadlineThread {
 public:
  DeadlineThread();
  /// Waits for a task that is done in time; leaves one that is late to itself.
  ~DeadlineThread();
  DeadlineThread(const DeadlineThread&) = delete;
  DeadlineThread& operator=(const DeadlineThread&) = delete;

  /// Runs `task` on the thread and waits. False if it is not done within `timeout`: it then goes on by itself, so it
  /// owns all that it uses, and no later task is run (false at once). `task` does not throw.
  bool run(std::function<void()> task, std::chrono::milliseconds timeout);
  /// A task was late.
  bool is_given_up() const;
  /// No task is on its way: memory handed to a late one is free again.
  bool is_idle() const;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
  std::thread thread_;
};

}  // namespace lockstep
