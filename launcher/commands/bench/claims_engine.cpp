#include "core/error.h"
#include "dist/communicator.h"
#include "launcher/commands/bench/claims_turns.h"
#include "launcher/commands/bench/random_batch.h"

#include <algorithm>
#include <chrono>

namespace lockstep::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// A batch from prompts to the last token.
Turns generate_in_turns(const ClaimRun& run, std::span<const EngineSettings> sides) {
  return take_turns(run, sides, [&](Engine& engine, int64_t turn) -> TurnFigures {
    RandomBatch batch(engine, run.model.vocab_size, static_cast<uint64_t>(turn));
    const auto start = Clock::now();
    for (int64_t i = 0; i < run.sizes.batch; ++i) batch.add(run.sizes.input_tokens, run.sizes.output_tokens);
    batch.run_to_end();
    return {.seconds = seconds_since(start)};
  });
}

EngineSettings generation_settings(const ClaimRun& run) {
  return settings_for(run, run.sizes.batch, run.sizes.input_tokens + run.sizes.output_tokens);
}

std::string work_of(const ClaimRun& run) {
  return fmt::format("{} sequences, {} tokens in, {} out", run.sizes.batch, run.sizes.input_tokens,
                     run.sizes.output_tokens);
}

double tokens_per_second(const ClaimRun& run, const TurnSide& side) {
  return static_cast<double>(run.sizes.batch * (run.sizes.input_tokens + run.sizes.output_tokens)) /
         spread_of(side.seconds).median;
}

// Beside the prompt: a token for every chunk of it, and some.
int64_t running_tokens(const ClaimRun& run) { return run.sizes.prompt_tokens / run.engine.cache.page_tokens + 64; }

// The longest wait for a token of a sequence that runs while a prompt is computed beside it, and the time to that
// prompt's token.
TurnFigures wait_beside_prompt(Engine& engine, const ClaimRun& run, int64_t running_tokens, uint64_t seed) {
  constexpr int64_t kAlone = 4;  // tokens before the prompt comes
  const auto tokens = [&](int64_t count, uint64_t salt) {
    std::vector<TokenId> prompt;
    for (int64_t i = 0; i < count; ++i)
      prompt.emplace_back(static_cast<int32_t>((static_cast<uint64_t>(i + 1) * (2 * seed + salt) * 7919 + seed) %
                                               static_cast<uint64_t>(run.model.vocab_size)));
    return prompt;
  };
  const SequenceId running = engine.add(tokens(8, 3), running_tokens, {});
  std::optional<SequenceId> prompt;
  int64_t num_tokens = 0;
  Clock::time_point start, last;
  TurnFigures figures;
  for (bool is_answered = false; !is_answered;) {
    if (prompt) ++figures.steps;
    for (const SampledToken& sampled : engine.step()) {
      const bool is_prompt = prompt && sampled.sequence == *prompt;
      if (!is_prompt && sampled.sequence != running) continue;  // planned ahead in the turn before
      LS_REQUIRE(Error, sampled.token.has_value(), "a sequence has logits that are not finite");
      if (is_prompt) {
        is_answered = true;
        figures.beside = seconds_since(start);
        continue;
      }
      if (prompt) figures.seconds = std::max(figures.seconds, seconds_since(last));
      last = Clock::now();
      ++num_tokens;
    }
    LS_CHECK(num_tokens < running_tokens, "the running sequence ended before the prompt was computed");
    if (prompt || num_tokens < kAlone) continue;
    start = Clock::now();
    prompt = engine.add(tokens(run.sizes.prompt_tokens, 1), 1, {});
  }
  engine.finish(*prompt);
  engine.finish(running);
  return figures;
}

}  // namespace

std::vector<EngineSettings> parallel_settings(const ClaimRun& run) {
  EngineSettings all = generation_settings(run);
  reset_cold_format(all.cache);  // with tp = 1 there are several replicas, which cannot have it
  EngineSettings one = all;
  one.runtime.tp = 1;
  one.runtime.threads = 1;
  return {one, all};
}

std::vector<Claim> measure_parallel(const ClaimRun& run) {
  const Turns turns = generate_in_turns(run, parallel_settings(run));
  if (run.world.rank().value() != 0) return {};
  const auto workers_of = [](const TurnSide& side) {
    return side.is_cuda ? int64_t{side.ranks} : side.ranks * int64_t{side.threads};
  };
  const TurnSide& side = turns[1];
  const int64_t workers = workers_of(side);
  const std::string unit =
      side.is_cuda ? "GPUs"
                   : fmt::format("threads ({} {} x {})", side.ranks, side.ranks == 1 ? "rank" : "ranks", side.threads);
  const std::string how =
      fmt::format("{}; {} {} against {}: {:.0f} and {:.0f} tokens/s", work_of(run), workers, unit, workers_of(turns[0]),
                  tokens_per_second(run, side), tokens_per_second(run, turns[0]));
  if (workers == 1) return {not_measurable("parallel", "one worker alone: nothing is parallel", how)};
  return {judged("parallel", speedup_of(turns[0].seconds, side.seconds), how,
                 fmt::format("{} workers are at most {} times one; memory they share, waiting for each other and other "
                             "programs on their cores take the rest",
                             workers, workers))};
}

std::vector<EngineSettings> mixed_precision_settings(const ClaimRun& run) {
  EngineSettings wide = generation_settings(run);
  EngineSettings narrow = wide;
  wide.model.dtype = "f32";
  narrow.model.dtype = "bf16";
  return {wide, narrow};
}

std::vector<Claim> measure_mixed_precision(const ClaimRun& run) {
  const Turns turns = generate_in_turns(run, mixed_precision_settings(run));
  if (run.world.rank().value() != 0) return {};
  const std::string& device = turns[1].device;
  const bool has_units = turns[1].is_cuda || device == name_of(CpuIsa::kAvx512Bf16) || device == name_of(CpuIsa::kAmx);
  return {judged(
      "mixed-precision", speedup_of(turns[0].seconds, turns[1].seconds),
      fmt::format("{}; {} {:.0f} tokens/s, {} {:.0f}; {}", work_of(run), name_of(turns[1].dtype),
                  tokens_per_second(run, turns[1]), name_of(turns[0].dtype), tokens_per_second(run, turns[0]), device),
      has_units ? "norms, softmax and sums stay F32, and small products are bound by other things than their operands"
                : fmt::format("{} has no units for BF16: half the bytes are all there is to gain", device))};
}

std::vector<EngineSettings> latency_settings(const ClaimRun& run) {
  const int64_t page = run.engine.cache.page_tokens, prompt = run.sizes.prompt_tokens;
  EngineSettings whole = settings_for(run, 2, std::max(prompt + 1, running_tokens(run) + 8));
  whole.schedule.max_step_tokens = (prompt + page - 1) / page * page + page;
  whole.schedule.prefill_chunk = 0;
  EngineSettings chunked = whole;
  chunked.schedule.prefill_chunk = page;
  return {whole, chunked};
}

std::vector<Claim> measure_latency(const ClaimRun& run) {
  const int64_t page = run.engine.cache.page_tokens, prompt = run.sizes.prompt_tokens;
  const Turns turns = take_turns(run, latency_settings(run), [&](Engine& engine, int64_t turn) {
    return wait_beside_prompt(engine, run, running_tokens(run), static_cast<uint64_t>(turn + 1));
  });
  if (run.world.rank().value() != 0) return {};
  const auto ms = [](const std::vector<double>& seconds) { return 1e3 * spread_of(seconds).median; };
  return {judged(
      "latency", saving_of(turns[0].seconds, turns[1].seconds),
      fmt::format(
          "longest wait for a token of a running sequence while a prompt of {} tokens comes: {:.1f} ms with "
          "schedule.prefill_chunk={} (steps until the prompt's token: {}), {:.1f} ms without chunks (steps: {}); "
          "the prompt's own token takes {:.0f} ms, {:.0f} ms without chunks",
          prompt, ms(turns[1].seconds), page, turns[1].steps, ms(turns[0].seconds), turns[0].steps, ms(turns[1].beside),
          ms(turns[0].beside)),
      fmt::format("a chunk is {} of {} tokens, and small chunks read all weights again", page, prompt))};
}

}  // namespace lockstep::bench
