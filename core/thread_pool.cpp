#include "core/thread_pool.h"

#include "core/error.h"
#include "core/spin_wait.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace lockstep {
namespace {

// Pieces per thread: enough that a thread held up by another process does not delay the rest much.
constexpr int64_t kPiecesPerThread = 4;

constexpr uint64_t kOpen = uint64_t{1} << 31;            // the job takes helpers
constexpr uint64_t kActiveMask = kOpen - 1;              // helpers inside the job
constexpr uint64_t kGenerationUnit = uint64_t{1} << 32;  // counts jobs

}  // namespace

// One job at a time. `ticket` = generation | open | helpers inside. A worker joins an open job by adding one, claims
// pieces, and leaves; the caller closes the job and waits for those inside only, so that a worker the system has not
// scheduled yet never holds up a job.
struct ThreadPool::Impl {
  std::vector<std::thread> workers;
  std::atomic<uint64_t> ticket{0};
  std::atomic<bool> stop{false};
  std::atomic<int> sleepers{0};
  std::atomic<uint32_t> wake{0};

  // The job; written only while nobody is inside.
  Function function = nullptr;
  void* context = nullptr;
  int64_t count = 0;
  int64_t piece = 0;
  std::atomic<int64_t> next{0};
  std::mutex error_mutex;
  std::exception_ptr error;

  void work() {
    for (;;) {
      const int64_t begin = next.fetch_add(piece, std::memory_order_relaxed);
      if (begin >= count) return;
      try {
        function(context, begin, std::min(begin + piece, count));
      } catch (...) {
        const std::lock_guard lock(error_mutex);
        if (!error) error = std::current_exception();
      }
    }
  }

  bool try_join(uint64_t& seen_generation) {
    uint64_t state = ticket.load(std::memory_order_acquire);
    while ((state & kOpen) != 0 && state / kGenerationUnit != seen_generation) {
      if (ticket.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel)) {
        seen_generation = state / kGenerationUnit;
        return true;
      }
    }
    return false;
  }

  void worker_main() {
    uint64_t seen_generation = 0;
    SpinWait spin;
    while (!stop.load(std::memory_order_acquire)) {
      if (try_join(seen_generation)) {
        work();
        ticket.fetch_sub(1, std::memory_order_acq_rel);
        spin.reset();
      } else if (!spin.once()) {
        sleep(seen_generation);
        spin.reset();
      }
    }
  }

  void sleep(uint64_t seen_generation) {
    const uint32_t before = wake.load();
    sleepers.fetch_add(1);
    // Look again after announcing: the caller looks for sleepers only after publishing.
    const uint64_t state = ticket.load();
    const bool has_job = (state & kOpen) != 0 && state / kGenerationUnit != seen_generation;
    if (!has_job && !stop.load()) wake.wait(before);
    sleepers.fetch_sub(1);
  }

  void wake_all() {
    if (sleepers.load() == 0) return;
    wake.fetch_add(1);
    wake.notify_all();
  }
};

ThreadPool::ThreadPool(int num_threads) : impl_(std::make_unique<Impl>()) {
  LS_REQUIRE(ConfigError, num_threads >= 1, "a thread pool of {} threads; at least 1 is needed", num_threads);
  for (int i = 1; i < num_threads; ++i) impl_->workers.emplace_back([this] { impl_->worker_main(); });
}

ThreadPool::~ThreadPool() {
  impl_->stop.store(true);
  impl_->wake.fetch_add(1);
  impl_->wake.notify_all();
  for (std::thread& worker : impl_->workers) worker.join();
}

int ThreadPool::num_threads() const { return static_cast<int>(impl_->workers.size()) + 1; }

void ThreadPool::run(int64_t count, int64_t grain, Function function, void* context) {
  if (count <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  if (impl_->workers.empty() || count <= grain) return function(context, 0, count);

  Impl& job = *impl_;
  job.function = function;
  job.context = context;
  job.count = count;
  const int64_t per_piece = count / (num_threads() * kPiecesPerThread);
  job.piece = std::max<int64_t>(per_piece / grain, 1) * grain;
  job.next.store(0, std::memory_order_relaxed);
  job.error = nullptr;
  const uint64_t generation = job.ticket.load(std::memory_order_relaxed) / kGenerationUnit + 1;
  job.ticket.store(generation * kGenerationUnit | kOpen);
  job.wake_all();

  job.work();
  job.ticket.fetch_and(~kOpen, std::memory_order_acq_rel);
  SpinWait spin;
  while ((job.ticket.load(std::memory_order_acquire) & kActiveMask) != 0) spin.once_or_yield();
  if (job.error) std::rethrow_exception(job.error);
}

}  // namespace lockstep
