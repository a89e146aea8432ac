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

struct PrefillSettings {
  CommonSettings common;
  std::string batch = "1", context = "1024,8192";

  void add_to(OptionSet& options) {
    common.add_to(options);
    options.add("batch", &batch, "numbers of prompts to measure, comma-separated");
    options.add("context", &context, "tokens of each prompt, comma-separated");
  }
};

struct Measured {
  Spread seconds;
  double steps = 0.0;
};

// Every prompt is new, or the cache would know it.
Measured measure(Engine& engine, int64_t vocab_size, int64_t batch, int64_t tokens, int64_t repeats) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> seconds;
  Measured measured;
  for (int64_t repeat = 0; repeat <= repeats; ++repeat) {
    RandomBatch prompts(engine, vocab_size, static_cast<uint64_t>((batch * 1000003 + tokens) * 1009 + repeat));
    for (int64_t i = 0; i < batch; ++i) prompts.add(tokens, 1);
    const auto start = Clock::now();
    measured.steps = static_cast<double>(prompts.run_to_end());
    const double took = std::chrono::duration<double>(Clock::now() - start).count();
    if (repeat > 0) seconds.push_back(took);  // the first one warms up
  }
  measured.seconds = spread_of(std::move(seconds));
  return measured;
}

nlohmann::json print_row(int64_t batch, int64_t tokens, const Measured& measured, const ModelCost& model,
                         const MachineLimits& limits) {
  const auto num_tokens = static_cast<double>(batch * tokens);
  const Cost cost = model.prefill(static_cast<double>(batch), static_cast<double>(tokens), measured.steps);
  const Spread ms = measured.seconds.times(1e3), rate = measured.seconds.rate(num_tokens);
  const double flops = cost.flops / measured.seconds.median;
  const double share = cost.seconds_at_least(limits) / measured.seconds.median;
  std::printf("%6ld %8ld %6.0f | %10.2f %-20s %12.1f | %10.3f %6.1f%%\n", batch, tokens, measured.steps, ms.median,
              ms.range(2).c_str(), rate.median, flops / 1e12, 100.0 * share);
  std::fflush(stdout);
  return {{"batch", batch},
          {"prompt_tokens", tokens},
          {"steps", measured.steps},
          {"seconds", to_json(measured.seconds)},
          {"tokens_per_second", to_json(rate)},
          {"flops", cost.flops},
          {"flops_per_second", flops},
          {"share_of_roofline", share}};
}

}  // namespace

int prefill_command(const MpiEnvironment& mpi, Communicator& world, const std::vector<std::string>& arguments) {
  EngineSettings settings;
  settings.schedule.max_step_tokens = 2048;
  PrefillSettings bench;
  OptionSet options("mpirun -n N lockstep bench prefill (--model DIR | --shape NAME) [options]",
                    "Measures the time from random prompts, which share nothing, to the first token of the last one.\n"
                    "'of best' is the time that the machine's limits, measured in the same run, allow at least.");
  bench.add_to(options);
  settings.add_to(options);
  std::vector<int64_t> batches, contexts;
  const auto check = [&] {
    batches = parse_list("batch", bench.batch);
    contexts = parse_list("context", bench.context);
    const int64_t most = *std::max_element(batches.begin(), batches.end());
    LS_REQUIRE(ConfigError, most < settings.schedule.max_step_tokens,
               "batch = {}: accepted are less than schedule.max_step_tokens = {}", most,
               settings.schedule.max_step_tokens);
    size_for(settings, most, *std::max_element(contexts.begin(), contexts.end()) + 1);
    bench.common.resolve(settings, world);
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
  std::printf("this rank at best: %s\n%6s %8s %6s | %10s %-20s %12s | %10s %7s\n", limits.text.c_str(), "batch",
              "prompt", "steps", "ms", "(spread)", "tokens/s", "TFLOP/s", "of best");
  nlohmann::json report = report_head("prefill", session);
  report["limits"] = limits.to_json();
  const int64_t vocab = session.checkpoint().config().vocab_size;
  for (const int64_t tokens : contexts) {
    for (const int64_t wanted : batches) {
      const int64_t batch = fitting_batch(engine, wanted, tokens + 1);
      const Measured measured = measure(engine, vocab, batch, tokens, bench.common.repeats);
      report["rows"].push_back(print_row(batch, tokens, measured, model, limits));
    }
  }
  engine.stop();
  write_report(bench.common.json, report);
  return 0;
}

}  // namespace lockstep::bench
