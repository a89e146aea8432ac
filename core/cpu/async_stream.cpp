#include "core/cpu/stream_point.h"
#include "core/cpu/streams.h"

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <pthread.h>
#include <thread>
#include <utility>

namespace lockstep::cpu {
namespace {

class AsyncStream final : public Stream::Impl {
 public:
  explicit AsyncStream(const std::string& name) : worker_([this] { run(); }) {
    constexpr size_t kMaxThreadName = 15;  // Linux
    pthread_setname_np(worker_.native_handle(), name.substr(0, kMaxThreadName).c_str());
  }
  ~AsyncStream() override {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    worker_.join();
  }

  Device device() const override { return Device::cpu(); }

  void enqueue(std::function<void()> task) override {
    push([this, task = std::move(task)] {
      if (failure_) return;  // what follows a failed task must not run on its unfinished result
      try {
        task();
      } catch (...) {
        failure_ = std::current_exception();
      }
    });
  }

  void wait(const std::shared_ptr<const StreamPoint>& point) override {
    enqueue([point] { point->wait(); });
  }

  std::shared_ptr<const StreamPoint> record() override {
    auto point = std::make_shared<LatchPoint>();
    push([this, point] { point->reach(failure_); });
    return point;
  }

  void synchronize() override {
    auto point = std::make_shared<LatchPoint>();
    push([this, point] { point->reach(std::exchange(failure_, nullptr)); });
    point->wait();
  }

 private:
  void push(std::function<void()> step) {
    {
      const std::lock_guard lock(mutex_);
      steps_.push_back(std::move(step));
    }
    changed_.notify_one();
  }

  void run() {
    for (;;) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stop_ || !steps_.empty(); });
      if (steps_.empty()) return;
      const std::function<void()> step = std::move(steps_.front());
      steps_.pop_front();
      lock.unlock();
      step();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> steps_;
  bool stop_ = false;
  std::exception_ptr failure_;  // the worker's own: the first failure since the last synchronize
  std::thread worker_;          // last: it uses the members above
};

}  // namespace

std::unique_ptr<Stream::Impl> make_async_stream(const std::string& name) { return std::make_unique<AsyncStream>(name); }

}  // namespace lockstep::cpu
