#include "core/error.h"
#include "launcher/commands/bench/engine_bench.h"
#include "launcher/commands/bench/kinds.h"
#include "launcher/commands/bench/random_batch.h"
#include "launcher/commands/bench/report.h"
#include "launcher/commands/parse.h"

#include <chrono>
#include <cstdio>

namespace lockstep::bench {
namespace {

constexpr int64_t kWarmUpRuns = 2;  // graphs are recorded at the second use of a size

struct LatencySettings {
  CommonSettings common;
  int64_t batch = 8, input_tokens = 32, output_tokens = 128;

  void add_to(OptionSet& options) {
    common.add_to(options);
    options.add("batch", &batch, "sequences that start together");
    options.add("input-tokens", &input_tokens, "tokens of each random prompt");
    options.add("output-tokens", &output_tokens, "tokens that each sequence generates");
  }
};

Spread measure(Engine& engine, int64_t vocab_size, const LatencySettings& bench) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> seconds;
  for (int64_t run = 0; run < kWarmUpRuns + bench.common.repeats; ++run) {
    RandomBatch sequences(engine, vocab_size, static_cast<uint64_t>(run));
    const auto start = Clock::now();
    for (int64_t i = 0; i < bench.batch; ++i) sequences.add(bench.input_tokens, bench.output_tokens);
    sequences.run_to_end();
    if (run >= kWarmUpRuns) seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  return spread_of(std::move(seconds));
}

}  // namespace

int latency_command(const MpiEnvironment& mpi, Communicator& world, const std::vector<std::string>& arguments) {
  EngineSettings settings;
  LatencySettings bench;
  OptionSet options("mpirun -n N lockstep bench latency (--model DIR | --shape NAME) [options]",
                    "Measures the milliseconds of a whole batch, from the first prompt to the last token, greedy.");
  bench.add_to(options);
  settings.add_to(options);
  const auto check = [&] {
    require_positive("batch", bench.batch);
    require_positive("input-tokens", bench.input_tokens);
    require_positive("output-tokens", bench.output_tokens);
    size_for(settings, bench.batch, bench.input_tokens + bench.output_tokens);
    bench.common.resolve(settings, world);
    LS_REQUIRE(ConfigError, bench.batch < settings.schedule.max_step_tokens,
               "batch = {}: accepted are less than schedule.max_step_tokens = {}", bench.batch,
               settings.schedule.max_step_tokens);
  };
  if (const auto code = parse_or_print(world, options, arguments, check)) return *code;

  const Session session(mpi, world, settings, std::nullopt);
  Engine& engine = session.engine();
  if (!session.topology().is_leader()) {
    engine.follow();
    return 0;
  }
  bench.batch = fitting_batch(engine, bench.batch, bench.input_tokens + bench.output_tokens);
  const MachineLimits limits = measure_limits(session.runtime().context(), session.sizing().engine.dtype, bench.common);
  const Spread seconds = measure(engine, session.checkpoint().config().vocab_size, bench);
  engine.stop();

  const auto batch = static_cast<double>(bench.batch), in = static_cast<double>(bench.input_tokens),
             out = static_cast<double>(bench.output_tokens);
  const ModelCost model = cost_of(session);
  const double best = model.prefill(batch, in, 1.0).seconds_at_least(limits) +
                      (out - 1.0) * model.decode(batch, in + out / 2.0).seconds_at_least(limits);
  const Spread ms = seconds.times(1e3);
  std::printf("this rank at best: %s\n%6s %6s %6s | %10s %-20s %12s | %7s\n", limits.text.c_str(), "batch", "in", "out",
              "ms", "(spread)", "tokens/s", "of best");
  std::printf("%6ld %6ld %6ld | %10.1f %-20s %12.1f | %6.1f%%\n", bench.batch, bench.input_tokens, bench.output_tokens,
              ms.median, ms.range(1).c_str(), batch * out / seconds.median, 100.0 * best / seconds.median);
  nlohmann::json report = report_head("latency", session);
  report["limits"] = limits.to_json();
  report["rows"].push_back({{"batch", bench.batch},
                            {"input_tokens", bench.input_tokens},
                            {"output_tokens", bench.output_tokens},
                            {"seconds", to_json(seconds)},
                            {"share_of_roofline", best / seconds.median}});
  write_report(bench.common.json, report);
  return 0;
}

}  // namespace lockstep::bench
