#include "dist/model/forward_batch.h"

namespace lockstep {

void ForwardBatch::assign(const StepPlan& plan, const PageTable& table) {
  for (auto* array : {&token_ids_, &positions_, &token_begin_, &first_position_, &page_begin_, &slots_, &logit_tokens_,
                      &scored_tokens_}) {
    array->clear();
  }
  token_begin_.push_back(0);
  page_begin_.push_back(0);
  for (const PlanRow& row : plan.rows) {
    auto position = static_cast<int32_t>(row.first_position);
    first_position_.push_back(position);
    for (const TokenId token : row.tokens) {
      token_ids_.push_back(token.value());
      positions_.push_back(position++);
    }
    for (int64_t scored = row.score_begin; scored < row.score_end; ++scored) {
      scored_tokens_.push_back(token_begin_.back() + static_cast<int32_t>(scored - row.first_position));
    }
    for (const PageId page : row.pages) slots_.push_back(table.slot_of(page).value());
    token_begin_.push_back(static_cast<int32_t>(token_ids_.size()));
    page_begin_.push_back(static_cast<int32_t>(slots_.size()));
    if (row.wants_logits) logit_tokens_.push_back(static_cast<int32_t>(token_ids_.size()) - 1);
  }
}

ConstTensorView ForwardBatch::token_ids() const { return {token_ids_.data(), DType::kI32, {num_tokens()}}; }
ConstTensorView ForwardBatch::positions() const { return {positions_.data(), DType::kI32, {num_tokens()}}; }

RaggedRows ForwardBatch::rows() const {
  return {.num_rows = static_cast<int64_t>(first_position_.size()),
          .num_tokens = num_tokens(),
          .token_begin = token_begin_.data(),
          .first_position = first_position_.data(),
          .page_begin = page_begin_.data(),
          .slots = slots_.data()};
}

}  // namespace lockstep
