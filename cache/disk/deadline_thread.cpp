#include "cache/disk/deadline_thread.h"

#include <condition_variable>
#include <mutex>
#include <utility>

namespace lockstep {

struct DeadlineThread::Shared {
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::function<void()> task;
  bool is_busy = false, is_given_up = false, is_ending = false;

  void work() {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [&] { return is_busy || is_ending; });
      if (!is_busy) return;
      std::function<void()> mine = std::move(task);
      task = nullptr;
      lock.unlock();
      mine();
      mine = nullptr;  // what it owns is given back before anybody is told
      lock.lock();
      is_busy = false;
      changed.notify_all();
    }
  }
};

DeadlineThread::DeadlineThread()
    : shared_(std::make_shared<Shared>()), thread_([shared = shared_] { shared->work(); }) {}

DeadlineThread::~DeadlineThread() {
  bool is_late = false;
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->is_ending = true;
    is_late = shared_->is_busy;
    shared_->changed.notify_all();
  }
  if (is_late)
    thread_.detach();  // it may never end, and must not keep the process from ending
  else
    thread_.join();
}

bool DeadlineThread::run(std::function<void()> task, std::chrono::milliseconds timeout) {
  std::unique_lock lock(shared_->mutex);
  if (shared_->is_given_up) return false;
  shared_->task = std::move(task);
  shared_->is_busy = true;
  shared_->changed.notify_all();
  if (shared_->changed.wait_for(lock, timeout, [&] { return !shared_->is_busy; })) return true;
  shared_->is_given_up = true;
  return false;
}

bool DeadlineThread::is_given_up() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->is_given_up;
}

bool DeadlineThread::is_idle() const {
  const std::lock_guard lock(shared_->mutex);
  return !shared_->is_busy;
}

}  // namespace lockstep
