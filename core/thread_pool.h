// A fixed team of threads for the data-parallel loops of CPU operations.
//
// Results never depend on the number of threads: operations split work so that every output element is computed by one
// thread in one fixed order. Waiting threads spin briefly, then yield, then sleep: a busy neighbour costs little.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

namespace lockstep {

class ThreadPool {
 public:
  /// `num_threads` ≥ 1 counts the caller: 1 starts no thread.
  explicit ThreadPool(int num_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const;

  /// Calls body(begin, end) on disjoint ranges that cover [0, count); returns when all are done. Ranges are multiples
  /// of `grain` (but the last). Rethrows the first exception. Not reentrant; one caller at a time.
  template <class Body>
  void parallel_for(int64_t count, int64_t grain, Body&& body) {
    using Callable = std::remove_reference_t<Body>;
    run(
        count, grain, [](void* context, int64_t begin, int64_t end) { (*static_cast<Callable*>(context))(begin, end); },
        const_cast<void*>(static_cast<const void*>(&body)));
  }

 private:
  using Function = void (*)(void* context, int64_t begin, int64_t end);
  void run(int64_t count, int64_t grain, Function function, void* context);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep
