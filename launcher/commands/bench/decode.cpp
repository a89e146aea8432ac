#include "core/error.h"
#include "launcher/commands/bench/engine_bench.h"
#include "launcher/commands/bench/kinds.h"
#include "launcher/commands/bench/random_batch.h"
#include "launcher/commands/bench/report.h"
#include "launcher/commands/parse.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace lockstep::bench {
namespace {

constexpr int64_t kWarmUpSteps = 6;  // graphs are recorded at the second use of a size

struct DecodeSettings {
  CommonSettings common;
  std::string batch = "1,8,64", context = "1024";
  int64_t steps = 16;

  void add_to(OptionSet& options) {
    common.add_to(options);
    options.add("batch", &batch, "numbers of sequences to measure, comma-separated");
    options.add("context", &context, "tokens that each sequence has behind it, comma-separated");
    options.add("steps", &steps, "steps of one measurement");
  }
  // Of a sequence, with a page to spare: what its prompt is shorter by is an estimate, and a full cache preempts.
  int64_t most_tokens(int64_t behind, const CacheSettings& cache) const {
    return behind + kWarmUpSteps + steps * common.repeats + 2 * cache.page_tokens;
  }
};

// Sequences whose prompt is computed early generate while the others' are: their prompts are shorter by that, so that
// all have about `context` tokens when the last one starts.
void add_sequences(RandomBatch& sequences, int64_t batch, int64_t context, const EngineConfig& config) {
  const std::vector<int64_t> starts = start_steps(batch, context, config.max_step_tokens, config.page_tokens);
  for (const int64_t start : starts) {
    const int64_t prompt = std::max<int64_t>(1, context - (starts.back() - start));
    sequences.add(prompt, config.max_sequence - prompt);
  }
}

struct Measured {
  int64_t batch = 0;
  double context = 0.0;
  Spread step_seconds;
  EngineTimes times;  // of a step
};

Measured measure(Engine& engine, int64_t vocab_size, int64_t batch, int64_t context, const DecodeSettings& bench) {
  using Clock = std::chrono::steady_clock;
  RandomBatch sequences(engine, vocab_size, static_cast<uint64_t>(batch * 1000003 + context));
  add_sequences(sequences, batch, context, engine.config());
  sequences.prefill();
  sequences.decode(kWarmUpSteps);
  Measured measured{.batch = batch, .context = sequences.mean_context(), .step_seconds = {}, .times = {}};
  const EngineTimes before = engine.times();
  std::vector<double> seconds;
  for (int64_t repeat = 0; repeat < bench.common.repeats; ++repeat) {
    const auto start = Clock::now();
    sequences.decode(bench.steps);
    seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count() / static_cast<double>(bench.steps));
  }
  const EngineTimes& after = engine.times();
  const auto steps = static_cast<double>(after.steps - before.steps);
  measured.step_seconds = spread_of(std::move(seconds));
  measured.times.plan = (after.plan - before.plan) / steps;
  measured.times.publish = (after.publish - before.publish) / steps;
  measured.times.forward = (after.forward - before.forward) / steps;
  measured.times.sampling = (after.sampling - before.sampling) / steps;
  measured.times.wait = (after.wait - before.wait) / steps;
  measured.context = (measured.context + sequences.mean_context()) / 2.0;
  sequences.finish();
  return measured;
}

void print_head() {
  std::printf("%6s %8s | %9s %-16s %10s | %8s %7s | %7s %7s %7s %7s %7s\n", "batch", "context", "ms a step", "(spread)",
              "tokens/s", "GB/s", "of best", "plan", "publish", "forward", "sample", "wait");
}

nlohmann::json print_row(const Measured& measured, const ModelCost& model, const MachineLimits& limits) {
  const auto batch = static_cast<double>(measured.batch);
  const Cost cost = model.decode(batch, measured.context);
  const Spread ms = measured.step_seconds.times(1e3), rate = measured.step_seconds.rate(batch);
  const double bandwidth = cost.bytes / measured.step_seconds.median;
  const double share = cost.seconds_at_least(limits) / measured.step_seconds.median;
  const EngineTimes& times = measured.times;
  std::printf("%6ld %8.0f | %9.3f %-16s %10.1f | %8.1f %6.1f%% | %7.3f %7.3f %7.3f %7.3f %7.3f\n", measured.batch,
              measured.context, ms.median, ms.range(3).c_str(), rate.median, bandwidth / 1e9, 100.0 * share,
              1e3 * times.plan, 1e3 * times.publish, 1e3 * times.forward, 1e3 * times.sampling, 1e3 * times.wait);
  std::fflush(stdout);
  return {{"batch", measured.batch},
          {"context", measured.context},
          {"step_seconds", to_json(measured.step_seconds)},
          {"tokens_per_second", to_json(rate)},
          {"weight_bytes", model.weight_bytes()},
          {"kv_bytes", batch * model.kv_bytes_read(measured.context)},
          {"flops", cost.flops},
          {"bytes_per_second", bandwidth},
          {"share_of_roofline", share},
          {"host_seconds",
           {{"plan", times.plan},
            {"publish", times.publish},
            {"forward", times.forward},
            {"sampling", times.sampling},
            {"wait", times.wait}}}};
}

}  // namespace

int decode_command(const MpiEnvironment& mpi, Communicator& world, const std::vector<std::string>& arguments) {
  EngineSettings settings;
  settings.schedule.max_step_tokens = 2048;
  DecodeSettings bench;
  OptionSet options(
      "mpirun -n N lockstep bench decode (--model DIR | --shape NAME) [options]",
      "Measures steps of one token a sequence, greedy, behind random contexts that share nothing. GB/s counts the\n"
      "weights and the keys and values of one rank; 'of best' is the time that the machine's limits, measured in the\n"
      "same run, allow at least. The columns behind it are milliseconds of the leader's host: planning, telling the\n"
      "ranks, computing or enqueueing the forward pass and the sampling, and waiting for tokens.");
  bench.add_to(options);
  settings.add_to(options);
  std::vector<int64_t> batches, contexts;
  const auto check = [&] {
    batches = parse_list("batch", bench.batch);
    contexts = parse_list("context", bench.context);
    require_positive("steps", bench.steps);
    const int64_t most = *std::max_element(batches.begin(), batches.end());
    size_for(settings, most, bench.most_tokens(*std::max_element(contexts.begin(), contexts.end()), settings.cache));
    bench.common.resolve(settings, world);
    start_steps(most, 1, settings.schedule.max_step_tokens, settings.cache.page_tokens);  // throws
  };
  if (const auto code = parse_or_print(world, options, arguments, check)) return *code;

  const Session session(mpi, world, settings, std::nullopt);
  Engine& engine = session.engine();
  if (!session.topology().is_leader()) {
    engine.follow();
    return 0;
  }
  const MachineLimits limits = measure_limits(session.runtime().context(), session.sizing().engine.dtype, bench.common);
  const ModelCost model = cost_of(session);
  std::printf("this rank at best: %s\n", limits.text.c_str());
  print_head();
  nlohmann::json report = report_head("decode", session);
  report["limits"] = limits.to_json();
  for (const int64_t context : contexts) {
    for (const int64_t wanted : batches) {
      const int64_t batch = fitting_batch(engine, wanted, bench.most_tokens(context, settings.cache));
      const Measured measured = measure(engine, session.checkpoint().config().vocab_size, batch, context, bench);
      report["rows"].push_back(print_row(measured, model, limits));
    }
  }
  engine.stop();
  write_report(bench.common.json, report);
  return 0;
}

}  // namespace lockstep::bench
