// The engine: the step loop of one tensor-parallel group. Second stop on the main path: step() is plan → forward →
// sample → commit; the next stop is dist/model/decoder.h, the side door cache/planner.h.
//
// The leader (rank 0 of the group) owns the planner and calls add(), step(), finish(), stop(); every other rank calls
// follow() once and does what the plans say until the last one. Not thread-safe.
#pragma once

#include "cache/device_pool.h"
#include "cache/page_table.h"
#include "cache/planner.h"
#include "core/sampling_params.h"
#include "core/token_score.h"
#include "dist/communicator.h"
#include "dist/model/decoder.h"
#include "dist/plan_channel.h"
#include "dist/topology.h"
#include "kernels/sample_history.h"
#include "launcher/batch/request.h"
#include "launcher/logit_gather.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <variant>
#include <vector>

namespace lockstep {

struct TextModel;

/// Sizes of an engine, equal on every rank of a group.
struct EngineConfig {
  DType dtype = DType::kF32;
  int64_t max_sequence = 0;
  int64_t max_step_tokens = 0;
  int64_t max_sequences = 0;
  int64_t prefill_chunk = 0;
  int64_t page_tokens = 0;
  int64_t num_slots = 0;
  bool share_prefixes = true;
};

/// What a sequence got in a step: its next token, or nothing if its logits were not finite.
struct SampledToken {
  SequenceId sequence;
  std::optional<TokenId> token;
  std::optional<TokenScore> score;  // of a token whose request has logprobs
};

/// Scores of prompt tokens that a step computed: scores[i] belongs to the token at first_position + i, which is ≥ 1.
struct PromptScores {
  SequenceId sequence;
  int64_t first_position = 0;
  std::vector<TokenScore> scores;
};

/// Where the time of the steps went, in seconds of the leader's clock.
struct EngineTimes {
  int64_t steps = 0;
  double prefill = 0.0, decode = 0.0, mixed = 0.0;  // steps with prompt tokens only, single tokens only, both
};

/// What became of a request.
using Outcome = std::variant<Result, RowError>;
using AnswerCallback = std::function<void(const Request&, const Outcome&)>;

class Engine {
 public:
  /// Loads this rank's weights. Ranks: local (a rank that fails can tell the others before the first collective).
  Engine(const OpContext& context, const Checkpoint& checkpoint, const Topology& topology, Communicator& group,
         const EngineConfig& config);

  /// Leader. Queues a sequence; `max_new_tokens` ≥ 1. Throws ConfigError if it can never fit, for a biased token
  /// outside the vocabulary, and for a negative number of logprobs.
  SequenceId add(std::vector<TokenId> prompt, int64_t max_new_tokens, const SamplingParams& sampling);
  /// Leader. Ends a sequence; its pages stay cached for others.
  SequenceReport finish(SequenceId sequence);
  bool has_work() const { return planner_ && planner_->has_work(); }
  /// Leader. One step of all ranks. Requires has_work(). The result is valid until the next call.
  std::span<const SampledToken> step();
  /// Leader. What the last step() scored, for sequences with prompt_logprobs: over the steps every token of the prompt
  /// but the first, once, in order. The last ones come in the step that samples the first token. Valid until the next
  /// step().
  std::span<const PromptScores> prompt_scores() const { return prompt_scores_; }
  /// Leader. Makes the other ranks return from follow(), which they may call again.
  void stop();
  /// Other ranks. Returns after the leader's stop(). Calls `between_steps`, if there is one, after each step.
  void follow(const std::function<void()>& between_steps = {});

  /// Answers text requests, each in its turn of `requests`, whose place is its index. `callback` is called on the
  /// leader, in the order in which answers are complete. May be called again, and not between add() and stop().
  /// Ranks: collective over the group; the others pass anything. Throws: Error without set_text() on the leader.
  void generate(std::span<const Request> requests, const AnswerCallback& callback);
  /// What generate() reads and writes text with; outlives the engine. nullptr: token ids only.
  void set_text(const TextModel* text) { text_ = text; }

  const EngineConfig& config() const { return config_; }
  const EngineTimes& times() const { return times_; }
  const PlannerStats& planner_stats() const { return planner_->stats(); }
  int64_t num_running() const { return planner_->num_running(); }
  int64_t num_waiting() const { return planner_->num_waiting(); }
  /// Leader. Slots of the KV cache that running sequences hold, of config().num_slots.
  int64_t cache_slots_used() const { return planner_stats().used_slots - planner_stats().unreferenced_pages; }
  /// Leader. Slots of pages that nobody holds: kept to be shared, evicted when a slot is needed.
  int64_t cache_slots_kept() const { return planner_stats().unreferenced_pages; }
  /// Grows when a step begins and when it is done, on every rank. Any thread may read it: a watchdog sees by it whether
  /// a rank still moves.
  uint64_t progress() const { return progress_.load(std::memory_order_relaxed); }

 private:
  /// What the leader remembers of a sequence to sample its tokens.
  struct SamplingState {
    SamplingParams params;
    SampleHistory history;        // the prompt's part only where there are penalties
    std::vector<TokenId> prompt;  // only with prompt_logprobs
  };
  /// A place for the score of one prompt token.
  struct ScoreTask {
    TokenScore* score;
    TokenId token;
    int32_t num_top;
  };

  void check(const SamplingParams& sampling) const;
  void run(const StepPlan& plan);
  void collect(const StepPlan& plan, TensorView logits);
  void collect_best(const StepPlan& plan, TensorView logits);
  void collect_full(const StepPlan& plan, TensorView logits);
  void sample(const StepPlan& plan);
  void score_prompts(const StepPlan& plan);
  std::vector<ScoreTask> prepare_scores(const StepPlan& plan);

  OpContext context_;
  EngineConfig config_;
  Communicator& group_;
  PlanChannel channel_;
  PageTable table_;
  Decoder decoder_;
  DevicePool pool_;
  ForwardBatch batch_;
  int64_t vocab_size_, vocab_begin_;
  int32_t tp_;
  ModelConfig model_;
  const TextModel* text_ = nullptr;
  LogitGather gather_;
  std::atomic<uint64_t> progress_{0};

  std::unique_ptr<Planner> planner_;  // leader only, like all below
  std::unordered_map<SequenceId, SamplingState> states_;
  std::vector<std::optional<TokenId>> best_tokens_;  // of rows that need only the highest logit
  std::span<float> full_logits_;                     // [rows that need all logits, vocabulary], in gather_
  std::vector<SampledToken> sampled_;
  std::vector<PromptScores> prompt_scores_;
  EngineTimes times_;
};

}  // namespace lockstep
