#include "launcher/commands/bench/timer.h"

#include "core/error.h"
#include "core/graph.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <vector>

namespace lockstep::bench {
namespace {

constexpr int64_t kMostCallsInGraph = 256, kFewestCallsInGraph = 8;

// Calls in one launch: as many as the rotation, so that a replay starts where the last one ended.
struct Round {
  int64_t num_calls = 1;
  std::optional<Graph> graph;

  void launch(const OpContext& context, const std::function<void(int64_t)>& call, int64_t first) {
    if (graph) return graph->launch(*context.stream);
    for (int64_t i = 0; i < num_calls; ++i) call(first + i);
  }
};

Round make_round(const OpContext& context, int64_t rotation, const std::function<void(int64_t)>& call) {
  Round round;
  if (context.device.kind == DeviceKind::kCpu || rotation > kMostCallsInGraph) return round;
  round.num_calls = (kFewestCallsInGraph + rotation - 1) / rotation * rotation;
  try {
    round.graph = Graph::capture(*context.stream, [&] {
      for (int64_t i = 0; i < round.num_calls; ++i) call(i);
    });
  } catch (const CudaError&) {  // an operation that waits inside; its launches are measured with it
    round.num_calls = 1;
  }
  return round;
}

double seconds_of(const OpContext& context, Round& round, int64_t rounds, const std::function<void(int64_t)>& call) {
  const auto start = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < rounds; ++i) round.launch(context, call, i * round.num_calls);
  context.stream->synchronize();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Spread seconds_per_call(const OpContext& context, const TimerSettings& settings,
                        const std::function<void(int64_t)>& call) {
  for (int64_t i = 0; i < 2; ++i) call(i);  // grows workspaces, chooses algorithms
  context.stream->synchronize();
  Round round = make_round(context, settings.rotation, call);
  int64_t rounds = 1;
  double seconds = seconds_of(context, round, rounds, call);
  while (seconds < settings.least_seconds) {
    const double factor = std::clamp(1.2 * settings.least_seconds / std::max(seconds, 1e-9), 2.0, 100.0);
    rounds = static_cast<int64_t>(static_cast<double>(rounds) * factor);
    seconds = seconds_of(context, round, rounds, call);
  }
  std::vector<double> measured;
  for (int64_t i = 0; i < settings.repeats; ++i)
    measured.push_back(seconds_of(context, round, rounds, call) / static_cast<double>(rounds * round.num_calls));
  return spread_of(std::move(measured));
}

}  // namespace lockstep::bench
