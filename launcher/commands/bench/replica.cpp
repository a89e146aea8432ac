#include "core/error.h"
#include "launcher/commands/bench/kinds.h"
#include "launcher/commands/bench/random_batch.h"
#include "launcher/commands/bench/settings.h"
#include "launcher/commands/bench/statistics.h"
#include "launcher/commands/parse.h"
#include "launcher/session.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace lockstep::bench {
namespace {

struct BenchSettings {
  std::string batches = "1,8,32";
  int64_t prompt_tokens = 512, generate_tokens = 32, repeats = 3;

  void add_to(OptionSet& options) {
    options.group("Benchmark");
    options.add("batch", &batches, "numbers of sequences to measure, comma-separated");
    options.add("prompt-tokens", &prompt_tokens, "tokens of each random prompt");
    options.add("generate-tokens", &generate_tokens, "decode steps of the whole batch that are timed");
    options.add("repeats", &repeats, "measurements of each batch; the median is shown with the spread");
  }
  // Sequences that start early generate until the last one has started, too.
  int64_t most_new_tokens(int64_t batch, int64_t max_step_tokens, int64_t page_tokens) const {
    constexpr int64_t kSpare = 16;
    return generate_tokens + start_steps(batch, prompt_tokens, max_step_tokens, page_tokens).back() + batch + kSpare;
  }
};

struct Rates {
  double prefill = 0.0, decode = 0.0;  // tokens per second
};

// Prompts that share nothing. First the steps until every sequence has its first token, then decode steps of the whole
// batch.
Rates measure(Engine& engine, int64_t vocab_size, int64_t batch, const BenchSettings& bench, uint64_t seed) {
  using Clock = std::chrono::steady_clock;
  const auto seconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const int64_t most_tokens =
      bench.most_new_tokens(batch, engine.config().max_step_tokens, engine.config().page_tokens);
  RandomBatch sequences(engine, vocab_size, seed);
  for (int64_t i = 0; i < batch; ++i) sequences.add(bench.prompt_tokens, most_tokens);
  const auto start = Clock::now();
  sequences.prefill();
  const double prefill_seconds = seconds_since(start);
  const auto decode_start = Clock::now();
  sequences.decode(bench.generate_tokens);
  const double decode_seconds = seconds_since(decode_start);
  sequences.finish();
  return {static_cast<double>(batch * bench.prompt_tokens) / prefill_seconds,
          static_cast<double>(batch * bench.generate_tokens) / decode_seconds};
}

}  // namespace

int replica_command(const MpiEnvironment& mpi, Communicator& world, const std::vector<std::string>& arguments) {
  EngineSettings settings;
  BenchSettings bench;
  OptionSet options(
      "mpirun -n N lockstep bench --model DIR [options]",
      "Measures prompt tokens per second and generated tokens per second of one replica, greedy, with random\n"
      "prompts that share nothing. Prints a table on standard output. Other kinds, each with a --help of its own:\n"
      "  lockstep bench kernels    every operation beside what the machine can do\n"
      "  lockstep bench decode     steps of one token a sequence, at given batches and contexts\n"
      "  lockstep bench prefill    prompts alone\n"
      "  lockstep bench latency    a whole batch from prompts to the last token\n"
      "  lockstep bench cache      first tokens behind prefixes on the device, the host and the disk\n"
      "  lockstep bench claims     what the specification claims, beside what this machine does");
  bench.add_to(options);
  settings.add_to(options);
  std::vector<int64_t> batches;
  int64_t most = 0;
  const auto check = [&] {
    settings.validate();
    batches = parse_list("batch", bench.batches);
    most = *std::max_element(batches.begin(), batches.end());
    start_steps(most, 1, settings.schedule.max_step_tokens, settings.cache.page_tokens);  // throws
    LS_REQUIRE(ConfigError, bench.prompt_tokens > 0 && bench.generate_tokens > 0 && bench.repeats > 0,
               "prompt-tokens = {}, generate-tokens = {}, repeats = {}: accepted are 1 and more", bench.prompt_tokens,
               bench.generate_tokens, bench.repeats);
    LS_REQUIRE(ConfigError, settings.runtime.tp == 0 || settings.runtime.tp == world.size(),
               "tp = {}: bench measures one replica of all {} ranks", settings.runtime.tp, world.size());
  };
  if (const auto code = parse_or_print(world, options, arguments, check)) return *code;
  settings.schedule.max_sequences = std::max(settings.schedule.max_sequences, most);
  if (settings.model.max_sequence == 0) {
    settings.model.max_sequence = bench.prompt_tokens + bench.most_new_tokens(most, settings.schedule.max_step_tokens,
                                                                              settings.cache.page_tokens);
  }

  Session session(mpi, world, settings, std::nullopt);  // no text
  if (!session.topology().is_leader()) {
    session.engine().follow();
    return 0;
  }
  std::printf("%6s %8s | %12s %-20s | %12s %-20s\n", "batch", "prompt", "prefill t/s", "(spread)", "decode t/s",
              "(spread)");
  const int64_t vocab = session.checkpoint().config().vocab_size;
  for (const int64_t batch : batches) {
    std::vector<double> prefill, decode;
    for (int64_t repeat = 0; repeat <= bench.repeats; ++repeat) {
      const Rates rates = measure(session.engine(), vocab, batch, bench, static_cast<uint64_t>(batch * 1000 + repeat));
      if (repeat == 0) continue;  // warms caches and page tables
      prefill.push_back(rates.prefill);
      decode.push_back(rates.decode);
    }
    std::printf("%6ld %8ld | %12.1f %-20s | %12.2f %-20s\n", batch, bench.prompt_tokens, spread_of(prefill).median,
                spread_of(prefill).range(1).c_str(), spread_of(decode).median, spread_of(decode).range(1).c_str());
    std::fflush(stdout);
  }
  session.engine().stop();
  return 0;
}

}  // namespace lockstep::bench
