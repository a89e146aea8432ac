// Short ways to drive a planner by hand.
#pragma once

#include "cache/planner.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace lockstep {

/// Tokens first, first + 1, …
inline std::vector<TokenId> tokens_from(int32_t first, int64_t count) {
  std::vector<TokenId> tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back(TokenId(first + static_cast<int32_t>(i)));
  return tokens;
}

inline std::vector<TokenId> joined(std::vector<TokenId> head, const std::vector<TokenId>& tail) {
  head.insert(head.end(), tail.begin(), tail.end());
  return head;
}

inline int64_t num_wanted(const StepPlan& plan) {
  return std::count_if(plan.rows.begin(), plan.rows.end(), [](const PlanRow& row) { return row.wants_logits; });
}

/// Plans and commits one step in which every row that wants a token gets `sampled`.
inline StepPlan take_step(Planner& planner, TokenId sampled = TokenId(7)) {
  StepPlan plan = planner.plan();
  planner.commit(plan, std::vector<TokenId>(static_cast<size_t>(num_wanted(plan)), sampled));
  return plan;
}

inline const PlanRow* row_of(const StepPlan& plan, SequenceId sequence) {
  for (const PlanRow& row : plan.rows) {
    if (row.sequence == sequence) return &row;
  }
  return nullptr;
}

inline int64_t count_ops(const StepPlan& plan, PageOpKind kind) {
  return std::count_if(plan.ops.begin(), plan.ops.end(), [kind](const PageOp& op) { return op.kind == kind; });
}

}  // namespace lockstep
