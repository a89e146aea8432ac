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
#include "dist/communicator.h"
#include "dist/model/decoder.h"
#include "dist/plan_channel.h"
#include "dist/topology.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

namespace lockstep {

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
};

/// Where the time of the steps went, in seconds of the leader's clock.
struct EngineTimes {
  int64_t steps = 0;
  double prefill = 0.0, decode = 0.0, mixed = 0.0;  // steps with prompt tokens only, single tokens only, both
};

class Engine {
 public:
  /// Loads this rank's weights. Ranks: local (a rank that fails can tell the others before the first collective).
  Engine(const OpContext& context, const Checkpoint& checkpoint, const Topology& topology, Communicator& group,
         const EngineConfig& config);

  /// Leader. Queues a sequence; `max_new_tokens` ≥ 1. Throws ConfigError if it can never fit.
  SequenceId add(std::vector<TokenId> prompt, int64_t max_new_tokens, const SamplingParams& sampling);
  /// Leader. Ends a sequence; its pages stay cached for others.
  void finish(SequenceId sequence);
  bool has_work() const { return planner_ && planner_->has_work(); }
  /// Leader. One step of all ranks. Requires has_work(). The result is valid until the next call.
  std::span<const SampledToken> step();
  /// Leader. Makes the other ranks return from follow().
  void stop();
  /// Other ranks. Returns after the leader's stop().
  void follow();

  const EngineConfig& config() const { return config_; }
  const EngineTimes& times() const { return times_; }
  const PlannerStats& planner_stats() const { return planner_->stats(); }
  int64_t num_running() const { return planner_->num_running(); }
  int64_t num_waiting() const { return planner_->num_waiting(); }

 private:
  /// What the leader remembers of a sequence to sample its tokens.
  struct SamplingState {
    SamplingParams params;
    std::vector<TokenId> history;
  };

  TensorView execute(const StepPlan& plan);
  void collect(const StepPlan& plan, TensorView logits);
  void collect_best(const StepPlan& plan, TensorView logits);
  void collect_full(const StepPlan& plan, TensorView logits);
  void sample(const StepPlan& plan);

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

  std::unique_ptr<Planner> planner_;  // leader only, like all below
  std::unordered_map<SequenceId, SamplingState> states_;
  std::vector<std::optional<TokenId>> best_tokens_;  // of rows that need only the highest logit
  std::vector<float> full_logits_;                   // [rows that need all logits, vocabulary]
  std::vector<SampledToken> sampled_;
  EngineTimes times_;
};

}  // namespace lockstep
