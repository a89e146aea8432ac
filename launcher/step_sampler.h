// From a step's logits to its tokens. Part of the engine's step (launcher/engine.h).
//
// Rows that need only their highest logit are decided where the logits are, on every rank, by the best of each
// vocabulary shard. Other rows need whole rows of logits. On CUDA these are gathered and sampled on the device; rows
// that need the request's history or log-probabilities are sampled by the leader's threads, as are all of them on the
// CPU. On CUDA nothing here waits but finish().
#pragma once

#include "cache/step_plan.h"
#include "core/buffer.h"
#include "core/pinned_buffer.h"
#include "core/sampling_params.h"
#include "core/stream.h"
#include "core/token_score.h"
#include "dist/communicator.h"
#include "kernels/sample_history.h"
#include "kernels/sample_rows.h"
#include "launcher/logit_gather.h"

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

namespace lockstep {

/// What a sequence got in a step: its next token, or nothing if its logits were not finite.
struct SampledToken {
  SequenceId sequence;
  std::optional<TokenId> token;
  std::optional<TokenScore> score;  // of a token whose request has logprobs
};

/// What the leader remembers of a sequence to sample its tokens.
struct SamplingState {
  SamplingParams params;
  SampleHistory history;        // the prompt's part only where there are penalties
  std::vector<TokenId> prompt;  // only with prompt_logprobs
  // What is taken at positions forced_begin, forced_begin + 1, … whatever the logits say; empty: what they say.
  std::vector<TokenId> forced = {};
  int64_t forced_begin = 0;
};
using SamplingStates = std::unordered_map<SequenceId, SamplingState>;

/// Is told the model's own logits [vocabulary], finite or not, that decide the token at `position` of a sequence.
using LogitObserver = std::function<void(SequenceId sequence, int64_t position, std::span<const float> logits)>;

/// Not thread-safe. Holds two steps: one that was finished last or is being waited for, and one behind it.
class StepSampler {
 public:
  /// `states`: on the leader the running sequences', else nullptr; outlives this, as do context and group.
  StepSampler(const OpContext& context, Communicator& group, int64_t vocab_size, int64_t max_rows,
              SamplingStates* states);

  /// Enqueues the sampling of `logits` [rows with wants_logits, local vocabulary] (more rows are passed over).
  /// Ranks: collective.
  void enqueue(const StepPlan& plan, TensorView logits);
  /// What the last enqueue() samples on the device, by row, I32, on every rank's device; rows sampled on the host hold
  /// anything.
  ConstTensorView tokens() const;
  /// Leader. Whether no row of the plan is sampled on the host.
  bool is_on_device(const StepPlan& plan) const;
  /// Leader. Waits for the plan, the oldest that was enqueued and not finished, and samples the host's rows. Rows of
  /// sequences that ended meanwhile have no token. Those of `unheard` sequences are left out, as if they had not been
  /// computed. In row order, valid until the next call.
  std::span<const SampledToken> finish(const StepPlan& plan, std::span<const SequenceId> unheard = {});
  /// Leader. Who is told the logits of forced sequences, in row order, by finish() on its thread.
  void observe(LogitObserver observer) { observer_ = std::move(observer); }

 private:
  /// One step under way.
  struct Slot {
    Slot(Communicator& group, int64_t vocab_size) : gather(group, vocab_size) {}

    PinnedBuffer tokens, inputs;  // [max_rows] I32; settings, indices and sources of full rows
    Event inputs_copied, done;
    // Rows that the leader samples: their places among the results, and their logits [on_host.size(), vocabulary].
    std::vector<size_t> on_host;
    std::span<float> host_rows;
    PinnedBuffer host_memory;  // CUDA
    LogitGather gather;        // CPU
  };

  bool needs_host(const PlanRow& row) const;
  void list_host_rows(const StepPlan& plan, Slot& slot) const;
  void choose_best(TensorView logits);
  void sample_on_device(const StepPlan& plan, TensorView logits, Slot& slot);
  void gather_to_leader(const StepPlan& plan, TensorView logits, Slot& slot);
  TensorView whole_rows(TensorView logits, ConstTensorView indices);
  void sample_on_host(const StepPlan& plan, Slot& slot, std::span<const SequenceId> unheard);

  const OpContext& context_;
  Communicator& group_;
  const int64_t vocab_size_, vocab_begin_, max_rows_;
  SamplingStates* const states_;
  LogitObserver observer_;
  std::array<Slot, 2> slots_;
  uint64_t num_enqueued_ = 0, num_finished_ = 0;
  int64_t num_rows_ = 0;  // of the last enqueue()

  Buffer best_, all_best_;                    // [rows], [ranks, rows] ArgmaxResult
  Buffer tokens_;                             // [rows] I32
  Buffer inputs_;                             // on the device, see Slot::inputs
  Buffer shard_rows_, all_rows_, full_rows_;  // [full, width], [ranks, full, width], [full, vocabulary] F32
  Buffer full_tokens_, all_tokens_;           // [full], [ranks, full] I32
  std::vector<SampledToken> sampled_;
};

}  // namespace lockstep
