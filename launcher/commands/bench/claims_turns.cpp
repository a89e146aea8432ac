#include "launcher/commands/bench/claims_turns.h"

#include "core/error.h"
#include "launcher/commands/bench/engine_bench.h"
#include "launcher/session.h"

#include <chrono>
#include <memory>

namespace lockstep::bench {

EngineSettings settings_for(const ClaimRun& run, int64_t batch, int64_t tokens, int64_t kept_tokens) {
  EngineSettings settings = run.engine;
  size_for(settings, batch, tokens);
  const int64_t page = settings.cache.page_tokens;
  // A page of growth for everyone, and one that a first page may take beside its own.
  const int64_t needed = batch * ((tokens + page - 1) / page + 2) * page + kept_tokens;
  if (settings.cache.device_tokens == 0 && settings.cache.device_bytes == 0) settings.cache.device_tokens = needed;
  return settings;
}

void reset_cold_format(CacheSettings& cache) {
  cache.cold_format = "auto";
  cache.compression_ratio = 0.0;
}

Turns take_turns(const ClaimRun& run, std::span<const EngineSettings> sides, const Work& work) {
  LS_CHECK(sides.size() == 2, "{} sides take turns", sides.size());
  using Clock = std::chrono::steady_clock;
  std::array<std::unique_ptr<Session>, 2> sessions;
  Turns turns;
  for (size_t side = 0; side < 2; ++side) {
    sessions[side] = std::make_unique<Session>(run.mpi, run.world, sides[side], std::nullopt);
    const Runtime& runtime = sessions[side]->runtime();
    turns[side].ranks = sessions[side]->group().size();
    turns[side].threads = runtime.num_threads();
    turns[side].dtype = sessions[side]->sizing().engine.dtype;
    turns[side].is_cuda = runtime.is_cuda();
    turns[side].device = runtime.is_cuda() ? runtime.device_name() : runtime.isa_name();
  }
  const auto start = Clock::now();
  for (int64_t turn = 0; turn <= run.sizes.repeats; ++turn) {
    for (size_t side = 0; side < 2; ++side) {
      const Session& session = *sessions[side];
      if (!session.topology().is_leader()) session.engine().follow();
      if (!session.is_root()) continue;
      TurnSide& figures = turns[side];
      if (turn == 1) figures.before = session.engine().planner_stats();
      const TurnFigures one = work(session.engine(), turn);
      session.engine().stop();
      figures.after = session.engine().planner_stats();
      if (turn == 0) continue;
      figures.seconds.push_back(one.seconds);
      figures.beside.push_back(one.beside);
      figures.steps = one.steps;
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const bool is_over = turn > 0 && seconds >= static_cast<double>(run.sizes.seconds);
    if (run.world.all_reduce_max(run.world.rank().value() == 0 && is_over ? 1 : 0) != 0) break;
  }
  return turns;
}

}  // namespace lockstep::bench
