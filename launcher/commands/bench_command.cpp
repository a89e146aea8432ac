#include "core/error.h"
#include "core/philox.h"
#include "launcher/commands/command.h"
#include "launcher/commands/parse.h"
#include "launcher/session.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <sstream>
#include <unordered_set>

namespace lockstep {
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

// Steps that it takes at most until every prompt is computed: sequences that started early generate meanwhile.
int64_t prefill_steps(int64_t batch, const BenchSettings& bench, int64_t max_step_tokens) {
  return batch * bench.prompt_tokens / (max_step_tokens - batch) + batch + 1;
}

std::vector<TokenId> random_prompt(int64_t length, int64_t vocab_size, uint64_t seed, int64_t sequence) {
  std::vector<TokenId> prompt;
  for (int64_t i = 0; i < length; ++i) {
    const double u = philox_uniform(seed, static_cast<uint64_t>(sequence * length + i));
    prompt.emplace_back(static_cast<int32_t>(u * static_cast<double>(vocab_size)));
  }
  return prompt;
}

// Prompts that share nothing. First the steps until every sequence has its first token, then decode steps of the whole
// batch.
Rates measure(Engine& engine, int64_t vocab_size, int64_t batch, const BenchSettings& bench, uint64_t seed) {
  using Clock = std::chrono::steady_clock;
  const auto seconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const int64_t most_tokens = bench.generate_tokens + prefill_steps(batch, bench, engine.config().max_step_tokens);
  std::vector<SequenceId> sequences;
  for (int64_t i = 0; i < batch; ++i) {
    sequences.push_back(engine.add(random_prompt(bench.prompt_tokens, vocab_size, seed, i), most_tokens, {}));
  }
  std::unordered_set<SequenceId> started;
  const auto start = Clock::now();
  while (started.size() < sequences.size()) {
    for (const SampledToken& sampled : engine.step()) started.insert(sampled.sequence);
  }
  const double prefill_seconds = seconds_since(start);
  const auto decode_start = Clock::now();
  for (int64_t step = 0; step < bench.generate_tokens; ++step) engine.step();
  const double decode_seconds = seconds_since(decode_start);
  for (const SequenceId sequence : sequences) engine.finish(sequence);
  return {static_cast<double>(batch * bench.prompt_tokens) / prefill_seconds,
          static_cast<double>(batch * bench.generate_tokens) / decode_seconds};
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
  int64_t most = 0;
  const auto check = [&] {
    settings.validate();
    batches = parse_batches(bench.batches);
    most = *std::max_element(batches.begin(), batches.end());
    LS_REQUIRE(ConfigError, most < settings.schedule.max_step_tokens,
               "batch = {}: accepted are less than schedule.max_step_tokens = {}", most,
               settings.schedule.max_step_tokens);
    LS_REQUIRE(ConfigError, bench.prompt_tokens > 0 && bench.generate_tokens > 0 && bench.repeats > 0,
               "prompt-tokens = {}, generate-tokens = {}, repeats = {}: accepted are 1 and more", bench.prompt_tokens,
               bench.generate_tokens, bench.repeats);
    LS_REQUIRE(ConfigError, settings.runtime.tp == 0 || settings.runtime.tp == world.size(),
               "tp = {}: bench measures one replica of all {} ranks", settings.runtime.tp, world.size());
  };
  if (const auto code = parse_or_print(world, options, arguments, check)) return *code;
  settings.schedule.max_sequences = std::max(settings.schedule.max_sequences, most);
  if (settings.model.max_sequence == 0) {
    settings.model.max_sequence =
        bench.prompt_tokens + bench.generate_tokens + prefill_steps(most, bench, settings.schedule.max_step_tokens);
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
    std::printf("%6ld %8ld | %12.1f %-20s | %12.2f %-20s\n", batch, bench.prompt_tokens, median(prefill),
                spread(prefill).c_str(), median(decode), spread(decode).c_str());
    std::fflush(stdout);
  }
  session.engine().stop();
  return 0;
}

}  // namespace lockstep
