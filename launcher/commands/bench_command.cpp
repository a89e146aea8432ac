#include "core/error.h"
#include "core/philox.h"
#include "launcher/commands/command.h"
#include "launcher/commands/parse.h"
#include "launcher/session.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>
#include <sstream>

namespace lockstep {
namespace {

struct BenchSettings {
  std::string batches = "1,8,32";
  int64_t prompt_tokens = 512, generate_tokens = 32, repeats = 3;

  void add_to(OptionSet& options) {
    options.group("Benchmark");
    options.add("batch", &batches, "numbers of sequences to measure, comma-separated");
    options.add("prompt-tokens", &prompt_tokens, "tokens of each random prompt");
    options.add("generate-tokens", &generate_tokens, "tokens generated after each prompt, at least 2");
    options.add("repeats", &repeats, "measurements of each batch; the median is shown with the spread");
  }
};

std::vector<int64_t> parse_batches(const std::string& text) {
  std::vector<int64_t> batches;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) {
    const bool is_number =
        !part.empty() && part.size() < 7 && part.find_first_not_of("0123456789") == std::string::npos;
    LS_REQUIRE(ConfigError, is_number && std::stoll(part) > 0, "batch = '{}': '{}' is not a positive number", text,
               part);
    batches.push_back(std::stoll(part));
  }
  LS_REQUIRE(ConfigError, !batches.empty(), "batch = '{}': no number in it", text);
  return batches;
}

struct Rates {
  double prefill = 0.0, decode = 0.0;  // tokens per second
};

// Distinct random prompts, so that nothing is shared. Times are the leader's, from the first step of a kind to its
// last.
Rates measure(Engine& engine, int64_t vocab_size, int64_t batch, const BenchSettings& settings, uint64_t seed) {
  using Clock = std::chrono::steady_clock;
  for (int64_t sequence = 0; sequence < batch; ++sequence) {
    std::vector<TokenId> prompt;
    for (int64_t i = 0; i < settings.prompt_tokens; ++i) {
      const double u = philox_uniform(seed, static_cast<uint64_t>(sequence * settings.prompt_tokens + i));
      prompt.emplace_back(static_cast<int32_t>(u * static_cast<double>(vocab_size)));
    }
    engine.add(std::move(prompt), settings.generate_tokens, {});
  }
  std::unordered_map<SequenceId, int64_t> generated;
  double decode_seconds = 0.0;
  int64_t decoded = 0, finished = 0;
  const auto start = Clock::now();
  double prefill_seconds = 0.0;
  while (engine.has_work()) {
    const bool all_started = static_cast<int64_t>(generated.size()) == batch;
    const auto step_start = Clock::now();
    int64_t tokens = 0;
    for (const SampledToken& sampled : engine.step()) {
      ++tokens;
      if (++generated[sampled.sequence] < settings.generate_tokens) continue;
      engine.finish(sampled.sequence);
      ++finished;
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - step_start).count();
    if (all_started && finished == 0) {
      decode_seconds += seconds;
      decoded += tokens;
    }
    if (!all_started) prefill_seconds = std::chrono::duration<double>(Clock::now() - start).count();
  }
  // Steps that mix prompts with first single tokens count for the prompts: their share of tokens is negligible.
  return {static_cast<double>(batch * settings.prompt_tokens) / prefill_seconds,
          decoded == 0 ? 0.0 : static_cast<double>(decoded) / decode_seconds};
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::string spread(const std::vector<double>& values) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return fmt::format("{:.1f}..{:.1f}", *low, *high);
}

}  // namespace

int bench_command(const MpiEnvironment& mpi, Communicator& world, const std::vector<std::string>& arguments) {
  EngineSettings settings;
  BenchSettings bench;
  OptionSet options(
      "mpirun -n N lockstep bench --model DIR [options]",
      "Measures prompt tokens per second and generated tokens per second of one replica, greedy, with random\n"
      "prompts that share nothing. Prints a table on standard output.");
  bench.add_to(options);
  settings.add_to(options);
  std::vector<int64_t> batches;
  const auto check = [&] {
    settings.validate();
    batches = parse_batches(bench.batches);
    LS_REQUIRE(ConfigError, bench.prompt_tokens > 0 && bench.generate_tokens > 1 && bench.repeats > 0,
               "prompt-tokens = {}, generate-tokens = {}, repeats = {}: accepted are at least 1, 2 and 1",
               bench.prompt_tokens, bench.generate_tokens, bench.repeats);
    LS_REQUIRE(ConfigError, settings.runtime.tp == 0 || settings.runtime.tp == world.size(),
               "tp = {}: bench measures one replica of all {} ranks", settings.runtime.tp, world.size());
  };
  if (const auto code = parse_or_print(world, options, arguments, check)) return *code;
  settings.schedule.max_sequences =
      std::max(settings.schedule.max_sequences, *std::max_element(batches.begin(), batches.end()));
  if (settings.model.max_sequence == 0) settings.model.max_sequence = bench.prompt_tokens + bench.generate_tokens;

  Session session(mpi, world, settings);
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
    std::printf("%6ld %8ld | %12.1f %-20s | %12.2f %-20s\n", batch, bench.prompt_tokens, median(prefill),
                spread(prefill).c_str(), median(decode), spread(decode).c_str());
    std::fflush(stdout);
  }
  session.engine().stop();
  return 0;
}

}  // namespace lockstep
