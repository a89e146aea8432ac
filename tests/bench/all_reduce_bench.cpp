// All-reduce between the ranks of a node: the shared-memory transport, the message transport and MPI_Allreduce, taken
// in turn within one run, so that a busy machine slows them alike.
//
//   mpirun -n 2 --bind-to none bench_all_reduce
//
// A sample is one sum after a common start, on the slowest rank. Partial sums lie where each transport likes them best.
#include "dist/comm/mpi/mpi_communicator.h"
#include "dist/comm/mpi/mpi_environment.h"
#include "tests/support/mpi_all_reduce.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <fmt/core.h>
#include <functional>
#include <memory>
#include <vector>

namespace lockstep {
namespace {

int64_t nanoseconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - begin).count();
}

/// A way to sum `count` floats over ranks. prepare() puts a partial sum in place, run() is timed.
struct Candidate {
  std::function<void(int64_t count)> prepare, run;
  std::vector<int64_t> samples;

  double microseconds(double quantile) {
    std::sort(samples.begin(), samples.end());
    return static_cast<double>(samples[static_cast<size_t>(quantile * static_cast<double>(samples.size() - 1))]) / 1e3;
  }
};

Candidate by_transport(Communicator& communicator, std::vector<float>& out) {
  auto partial = std::make_shared<float*>(nullptr);
  return {[&communicator, partial](int64_t count) {
            *partial = static_cast<float*>(communicator.partial_buffer(count * 4));
            std::fill(*partial, *partial + count, 1.0F);
          },
          [&communicator, &out, partial](int64_t count) {
            communicator.all_reduce_sum(OpContext{}, ConstTensorView(*partial, DType::kF32, {count}),
                                        TensorView(out.data(), DType::kF32, {count}));
          },
          {}};
}

Candidate by_mpi_allreduce(std::vector<float>& memory) {
  return {[&memory](int64_t count) { std::fill(memory.begin(), memory.begin() + count, 1.0F); },
          [&memory](int64_t count) { mpi_all_reduce(memory.data(), count); },
          {}};
}

void run(const MpiEnvironment& environment) {
  constexpr int64_t kMostBytes = int64_t{4} << 20;
  std::vector<float> out(kMostBytes / 4);
  const auto shared = make_mpi_communicator(environment, Transport::kSharedMemory);
  const auto messages = make_mpi_communicator(environment, Transport::kMpi);
  const auto starter = make_mpi_communicator(environment, Transport::kSharedMemory);
  const bool prints = environment.world_rank() == Rank(0);
  if (prints) {
    fmt::print("{} ranks, {}\n", environment.world_size(), environment.library_version());
    fmt::print("µs: median (best)\n{:>10}{:>24}{:>24}{:>24}\n", "bytes", "shared memory", "messages", "MPI_Allreduce");
  }

  for (int64_t bytes = 1024; bytes <= kMostBytes; bytes *= 2) {
    std::vector<Candidate> candidates = {by_transport(*shared, out), by_transport(*messages, out),
                                         by_mpi_allreduce(out)};
    const int rounds = bytes <= (64 << 10) ? 500 : 100;
    for (int round = -5; round < rounds; ++round) {
      for (Candidate& one : candidates) {
        one.prepare(bytes / 4);
        // Ranks leave a sum through shared memory within a microsecond of each other, an MPI barrier much less so.
        float unit = 1.0F;
        const TensorView arrival(&unit, DType::kF32, {1});
        starter->all_reduce_sum(OpContext{}, arrival, arrival);
        const int64_t mine = nanoseconds_of([&] { one.run(bytes / 4); });
        const int64_t slowest = messages->all_reduce_max(mine);
        if (round >= 0) one.samples.push_back(slowest);
      }
    }
    if (!prints) continue;
    fmt::print("{:>10}", bytes);
    for (Candidate& one : candidates) {
      fmt::print("{:>24}", fmt::format("{:.1f} ({:.1f})", one.microseconds(0.5), one.microseconds(0)));
    }
    fmt::print("\n");
  }
}

}  // namespace
}  // namespace lockstep

int main() {
  const lockstep::MpiEnvironment environment;
  lockstep::run(environment);
}
