// The inputs of one forward pass as flat arrays: what a StepPlan's rows mean on this rank.
#pragma once

#include "cache/page_table.h"
#include "cache/step_plan.h"
#include "kernels/paged_attention.h"

#include <cstdint>
#include <vector>

namespace lockstep {

/// Owns the arrays (host memory). Built anew each step; reuses its storage.
class ForwardBatch {
 public:
  /// Flattens the plan's rows, resolving page ids to this rank's slots. Throws Error if a page is not on the device.
  void assign(const StepPlan& plan, const PageTable& table);

  int64_t num_tokens() const { return static_cast<int64_t>(token_ids_.size()); }
  ConstTensorView token_ids() const;
  ConstTensorView positions() const;
  RaggedRows rows() const;
  /// Index of the token whose logits are wanted, one per plan row with wants_logits, in row order.
  const std::vector<int32_t>& logit_tokens() const { return logit_tokens_; }
  /// Indices of the tokens whose logits score the token behind them, in row order; none of logit_tokens() is among
  /// them.
  const std::vector<int32_t>& scored_tokens() const { return scored_tokens_; }

 private:
  std::vector<int32_t> token_ids_, positions_, token_begin_, first_position_, page_begin_, slots_, logit_tokens_,
      scored_tokens_;
};

}  // namespace lockstep
