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

/// Rows that the plan's rows are for the kernels: tokens that attend densely are one, each of the others is one.
inline int64_t num_kernel_rows(const StepPlan& plan) {
  int64_t rows = 0;
  for (const PlanRow& row : plan.rows) {
    const int64_t end = row.first_position + static_cast<int64_t>(row.tokens.size());
    const int64_t dense_end = row.sparse_begin < 0 ? end : row.sparse_begin;
    rows += (row.first_position < dense_end ? 1 : 0) + end - dense_end;
  }
  return rows;
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
