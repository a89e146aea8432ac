#include "tests/launcher/engine_run.h"

#include "dist/comm/staged/staged_communicator.h"
#include "dist/sharding.h"
#include "kernels/op_state.h"
#include "launcher/cache_tiers.h"
#include "tests/support/local_ranks.h"

#include <map>

namespace lockstep::testing_support {
namespace {

/// The leader's loop.
class Leader {
 public:
  Leader(Engine& engine, const std::vector<EngineJob>& jobs, EngineRun& run) : engine_(engine), jobs_(jobs), run_(run) {
    run_.outcomes.assign(jobs.size(), {});
  }

  void run_all() {
    for (int64_t step = 0; next_job_ < jobs_.size() || engine_.has_work(); ++step) {
      for (; next_job_ < jobs_.size() && jobs_[next_job_].arrival_step <= step; ++next_job_) {
        const EngineJob& job = jobs_[next_job_];
        job_of_[engine_.add(job.prompt, job.num_new_tokens, job.sampling)] = next_job_;
      }
      if (engine_.has_work()) take_step();
    }
    engine_.stop();
    run_.stats = engine_.planner_stats();
  }

 private:
  void take_step() {
    const auto sampled = engine_.step();
    for (const PromptScores& some : engine_.prompt_scores()) {
      EngineOutcome& outcome = run_.outcomes[job_of_.at(some.sequence)];
      EXPECT_EQ(some.first_position, static_cast<int64_t>(outcome.prompt_scores.size()) + 1);
      EXPECT_FALSE(some.scores.empty());
      EXPECT_TRUE(outcome.tokens.empty());
      outcome.prompt_scores.insert(outcome.prompt_scores.end(), some.scores.begin(), some.scores.end());
    }
    for (const SampledToken& one : sampled) {
      const size_t index = job_of_.at(one.sequence);
      EngineOutcome& outcome = run_.outcomes[index];
      EXPECT_EQ(one.score.has_value(), one.token && jobs_[index].sampling.logprobs);
      if (one.token) outcome.tokens.push_back(*one.token);
      if (one.score) outcome.scores.push_back(*one.score);
      if (!one.token) ++outcome.num_void;
      const bool is_full = static_cast<int64_t>(outcome.tokens.size()) == jobs_[index].num_new_tokens;
      if (is_full || !one.token) outcome.report = engine_.finish(one.sequence);
    }
  }

  Engine& engine_;
  const std::vector<EngineJob>& jobs_;
  EngineRun& run_;
  size_t next_job_ = 0;
  std::map<SequenceId, size_t> job_of_;
};

}  // namespace

void run_engine(const std::filesystem::path& model, const std::vector<EngineJob>& jobs, EngineRun& run) {
  run.progress.assign(static_cast<size_t>(run.num_ranks), 0);
  run.between_steps.assign(static_cast<size_t>(run.num_ranks), 0);
  run.configs.assign(static_cast<size_t>(run.num_ranks), {});
  run.digests.assign(static_cast<size_t>(run.num_ranks), {});
  check_on_local_ranks(run.num_ranks, [&](Communicator& host_group) {
    const Checkpoint checkpoint = Checkpoint::open(model);
    ThreadPool threads(run.num_threads);
    const bool is_cuda = run.device.kind == DeviceKind::kCuda;
    Stream stream = is_cuda ? Stream::cuda(run.device) : Stream::inline_cpu();
    const std::unique_ptr<OpState> state = is_cuda ? make_op_state(run.device) : nullptr;
    const OpContext context{
        .device = run.device, .stream = &stream, .threads = &threads, .isa = detect_cpu_isa(), .state = state.get()};
    EngineConfig config = run.config;
    config.dtype = checkpoint.config().dtype;
    const std::unique_ptr<Communicator> staged =
        is_cuda ? make_staged_communicator(host_group.split(0, host_group.rank().value()), run.device) : nullptr;
    Communicator& group = is_cuda ? *staged : host_group;
    const auto rank = static_cast<size_t>(group.rank().value());
    config.tiers.faults = parse_faults(run.faults);
    std::unique_ptr<CacheTiers> tiers;
    Engine engine(context, checkpoint, Topology(run.num_ranks, run.num_ranks, group.rank()), group, config);
    engine.calibrate();
    engine.widen_keys();
    config = engine.config();
    if (config.tiers.host_slots > 0) {
      const ModelShard shard = shard_of(checkpoint.config(), run.num_ranks, group.rank());
      tiers = std::make_unique<CacheTiers>(
          config.tiers, engine.kv_layout(),
          HeadRange{static_cast<int32_t>(shard.kv_heads.begin), static_cast<int32_t>(shard.kv_heads.size())},
          engine.page_content(), run.num_ranks, run.device, engine.cold_layout());
      engine.use_tiers(*tiers);
    }
    run.configs[rank] = config;
    if (rank == 0) {
      run.layout = engine.kv_layout();
      Leader(engine, jobs, run).run_all();
      run.num_graphs = engine.num_graphs();
      run.hot = engine.hot_totals();
      run.key_decibels.assign(engine.key_signal_to_noise().begin(), engine.key_signal_to_noise().end());
      run.tiers = engine.tier_config();
      run.moves = engine.mover_stats();
      run.disk = engine.disk_bytes();
    } else {
      engine.follow([&] { ++run.between_steps[rank]; });
    }
    run.progress[rank] = engine.progress();
    run.digests[rank] = engine.cache_digest();
  });
}

std::vector<EngineOutcome> outcomes_of(const std::filesystem::path& model, const std::vector<EngineJob>& jobs,
                                       EngineRun run) {
  run_engine(model, jobs, run);
  return run.outcomes;
}

}  // namespace lockstep::testing_support
