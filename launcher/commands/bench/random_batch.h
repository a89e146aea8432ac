// One batch of sequences with random prompts, which share nothing, on its way through an engine.
#pragma once

#include "core/ids.h"
#include "launcher/engine.h"

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace lockstep::bench {

/// Leader. One at a time: the engine's sequences are this batch's alone. Not thread-safe.
class RandomBatch {
 public:
  RandomBatch(Engine& engine, int64_t vocab_size, uint64_t seed) : engine_(engine), vocab_(vocab_size), seed_(seed) {}

  void add(int64_t prompt_tokens, int64_t max_new_tokens);
  /// Steps until every sequence has a token; returns their number. Sequences that started early generate meanwhile.
  int64_t prefill();
  /// Exactly `count` steps, in which no sequence may reach its end.
  void decode(int64_t count);
  /// Steps until every sequence has all its tokens; returns their number.
  int64_t run_to_end();
  /// Ends what is left, and steps until nothing is computed that was planned for it.
  void finish();

  int64_t size() const { return static_cast<int64_t>(sequences_.size()); }
  /// Tokens of the sequences so far, prompt and answer, on average.
  double mean_context() const;

 private:
  struct Progress {
    int64_t prompt = 0, most = 0, done = 0;
  };

  // One step of the engine. Throws Error for logits that are not finite.
  void step();

  Engine& engine_;
  const int64_t vocab_;
  const uint64_t seed_;
  std::unordered_map<SequenceId, Progress> sequences_;
  int64_t num_started_ = 0, num_ended_ = 0;
};

/// For each of `batch` prompts of `tokens` tokens that come together, in about which step it gets its first token, from
/// 0 on. Throws ConfigError for a step that has no room for a page beside a token of each sequence.
std::vector<int64_t> start_steps(int64_t batch, int64_t tokens, int64_t max_step_tokens, int64_t page_tokens);

}  // namespace lockstep::bench
