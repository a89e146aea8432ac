#include "tests/support/cuda_emulation/progress.h"

#include "tests/support/cuda_emulation/runtime.h"

#include <atomic>

namespace lockstep::emulation {
namespace {

constexpr std::chrono::milliseconds kPause{2};

using StopFlag = std::shared_ptr<std::atomic<bool>>;

// Drives one stream until it is destroyed. A stream that waits for a peer holds up nobody else.
void drive_stream(const std::weak_ptr<CUstream_st>& weak, const StopFlag& stops) {
  for (; !*stops; std::this_thread::sleep_for(kPause)) {
    const std::shared_ptr<CUstream_st> stream = weak.lock();
    if (stream == nullptr) return;
    Lock lock(runtime().mutex);
    if (stream->capture == nullptr) drive(lock, *stream, stream->submitted);
  }
}

// Sees to it that every stream has a thread.
void drive_all(const StopFlag& stops) {
  std::map<std::weak_ptr<CUstream_st>, std::thread, std::owner_less<>> threads;
  for (; !*stops; std::this_thread::sleep_for(kPause)) {
    const Lock lock(runtime().mutex);
    for (const auto& [handle, stream] : runtime().streams) {
      const std::weak_ptr<CUstream_st> weak = stream;
      if (!threads.contains(weak)) threads.emplace(weak, std::thread(drive_stream, weak, stops));
    }
  }
  for (auto& [stream, thread] : threads) thread.join();
}

class Driver {
 public:
  void start() {
    const std::scoped_lock lock(mutex_);
    if (num_users_++ > 0) return;
    stops_ = std::make_shared<std::atomic<bool>>(false);
    thread_ = std::thread(drive_all, stops_);
  }
  // The last user may end within work of a stream, on one of these very threads: nobody can wait for them then.
  void stop() {
    const std::scoped_lock lock(mutex_);
    if (--num_users_ > 0) return;
    *stops_ = true;
    thread_.detach();
  }

 private:
  std::mutex mutex_;
  int num_users_ = 0;
  StopFlag stops_;
  std::thread thread_;
};

Driver& driver() {
  static Driver* const instance = new Driver;  // its threads may outlive static objects
  return *instance;
}

}  // namespace

Progress::Progress() { driver().start(); }
Progress::~Progress() { driver().stop(); }

}  // namespace lockstep::emulation
