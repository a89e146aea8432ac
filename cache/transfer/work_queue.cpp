#include "cache/transfer/work_queue.h"

#include <pthread.h>
#include <utility>

namespace lockstep {

WorkQueue::WorkQueue(int64_t num_threads, const std::string& name) {
  constexpr size_t kMaxThreadName = 15;  // Linux
  for (int64_t i = 0; i < num_threads; ++i) {
    threads_.emplace_back([this] { run(); });
    pthread_setname_np(threads_.back().native_handle(), (name + std::to_string(i)).substr(0, kMaxThreadName).c_str());
  }
}

WorkQueue::~WorkQueue() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WorkQueue::push(const Urgency& urgency, std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.emplace(urgency, std::move(task));
  }
  changed_.notify_one();
}

void WorkQueue::run() {
  for (;;) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stop_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    const std::function<void()> task = std::move(tasks_.begin()->second);
    tasks_.erase(tasks_.begin());
    lock.unlock();
    task();
  }
}

}  // namespace lockstep
