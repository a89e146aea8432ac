#include "core/error.h"
#include "core/philox.h"
#include "launcher/commands/bench/claims_turns.h"

#include <chrono>
#include <unordered_map>

namespace lockstep::bench {
namespace {

constexpr int64_t kAnswerTokens = 4, kAtATime = 8;
// Streams of random tokens: prefixes count from 0.
constexpr uint64_t kSuffixes = uint64_t{1} << 32;

void append_random(std::vector<TokenId>& tokens, int64_t count, uint64_t seed, uint64_t stream, int64_t vocab_size) {
  for (int64_t i = 0; i < count; ++i) {
    const double u = philox_uniform(seed, static_cast<uint64_t>(i), stream);
    tokens.emplace_back(static_cast<int32_t>(u * static_cast<double>(vocab_size)));
  }
}

// All requests come at once, prefixes in turn; `seed` makes them new to the cache.
TurnFigures answer_all(Engine& engine, const ClaimSettings& sizes, int64_t requests, int64_t vocab_size,
                       uint64_t seed) {
  const auto start = std::chrono::steady_clock::now();
  std::unordered_map<SequenceId, int64_t> left;  // tokens to come
  for (int64_t i = 0; i < requests; ++i) {
    std::vector<TokenId> prompt;
    append_random(prompt, sizes.prefix_tokens, seed, static_cast<uint64_t>(i % sizes.prefixes), vocab_size);
    append_random(prompt, sizes.suffix_tokens, seed, kSuffixes + static_cast<uint64_t>(i), vocab_size);
    left.emplace(engine.add(std::move(prompt), kAnswerTokens, {}), kAnswerTokens);
  }
  while (!left.empty()) {
    for (const SampledToken& sampled : engine.step()) {
      const auto found = left.find(sampled.sequence);
      if (found == left.end()) continue;  // planned ahead, over before it was computed
      LS_REQUIRE(Error, sampled.token.has_value(), "a request has logits that are not finite");
      if (--found->second > 0) continue;
      engine.finish(sampled.sequence);
      left.erase(found);
    }
  }
  return {.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()};
}

double share(int64_t part, int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

std::vector<EngineSettings> reuse_settings(const ClaimRun& run) {
  const ClaimSettings& sizes = run.sizes;
  const int64_t tokens = sizes.prefix_tokens + sizes.suffix_tokens + kAnswerTokens;
  EngineSettings apart =
      settings_for(run, kAtATime, tokens, sizes.prefixes * (sizes.prefix_tokens + run.engine.cache.page_tokens));
  EngineSettings shared = apart;
  apart.cache.share_prefixes = false;
  shared.cache.share_prefixes = true;
  return {apart, shared};
}

std::vector<Claim> measure_reuse(const ClaimRun& run) {
  const ClaimSettings& sizes = run.sizes;
  const Turns turns = take_turns(run, reuse_settings(run), [&](Engine& engine, int64_t turn) {
    return answer_all(engine, sizes, turn == 0 ? sizes.prefixes : sizes.requests, run.model.vocab_size,
                      static_cast<uint64_t>(turn));
  });
  if (run.world.rank().value() != 0) return {};
  const PlannerStats &before = turns[1].before, &after = turns[1].after;
  const int64_t prompts = after.prompt_tokens - before.prompt_tokens;
  const double found = share(after.cached_prompt_tokens - before.cached_prompt_tokens, prompts);
  const double attainable = share(after.attainable_hit_tokens - before.attainable_hit_tokens, prompts);
  const std::string work =
      fmt::format("{} requests of {} + {} tokens over {} prefixes, {} tokens each, up to {} at a time", sizes.requests,
                  sizes.prefix_tokens, sizes.suffix_tokens, sizes.prefixes, kAnswerTokens, kAtATime);
  const Spread without = spread_of(turns[0].seconds), with = spread_of(turns[1].seconds);
  return {judged("reuse", speedup_of(turns[0].seconds, turns[1].seconds),
                 fmt::format("{}; {:.3f} s with cache.share_prefixes=false, {:.3f} s with true", work, without.median,
                             with.median),
                 fmt::format("a request computes its own {} tokens and answers in any case; {:.1f} % of the prompts' "
                             "tokens were found",
                             sizes.suffix_tokens, 100.0 * found)),
          judged_within("hit-rate", {found, found, found}, attainable,
                        fmt::format("{}; attainable with whole pages, each prefix being new once: {:.1f} %", work,
                                    100.0 * attainable))};
}

}  // namespace lockstep::bench
