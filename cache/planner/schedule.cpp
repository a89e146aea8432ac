// One step: decode rows, then prompt chunks, then new sequences.
//
// Why a plan is never empty. Only rows of the same plan hold claims, and a plan without rows has its whole budget, so
// only missing pages can keep the oldest running sequence from a row. It takes them from all younger ones; alone, it
// fits by the check of add(). With nothing running, the first waiting sequence is admitted for the same reason.
#include "cache/planner/impl.h"
#include "core/error.h"

#include <algorithm>

namespace lockstep {

StepPlan Planner::Impl::plan() {
  LS_CHECK(!sequences.empty(), "a plan was asked for without sequences");
  LS_CHECK(!unresolved, "the tokens of plan {} were not told", *unresolved);
  std::optional<StepPlan> plan = make_plan();
  LS_CHECK(plan.has_value(), "plan {} is empty with {} running and {} waiting sequences", next_number, running.size(),
           waiting.size());
  open_plan_is_ahead = false;
  return std::move(*plan);
}

std::optional<StepPlan> Planner::Impl::plan_ahead() {
  LS_CHECK(unresolved.has_value(), "plan {} is made ahead of nothing", next_number);
  std::optional<StepPlan> plan = make_plan();
  if (plan) open_plan_is_ahead = true;
  return plan;
}

// Without rows nothing is handed out: page operations so far go with the next plan.
std::optional<StepPlan> Planner::Impl::make_plan() {
  LS_CHECK(!plan_is_open, "plan {} was not committed", next_number - 1);
  Step step;
  step.tokens_left = config.max_step_tokens;
  step.plan.rows.reserve(running.size());
  schedule_decodes(step);
  schedule_prompts(step);
  admit(step);
  if (step.plan.rows.empty()) {
    update_gauges();
    return std::nullopt;
  }
  step.plan.number = next_number++;
  step.plan.digest_before = pool.digest();
  step.plan.ops = pool.take_ops();
  plan_is_open = true;
  ++stats.steps;
  update_gauges();
  return std::move(step.plan);
}

// Oldest first, so that a victim, the youngest, never has a row yet. The bound is read anew: preemption shortens it.
void Planner::Impl::schedule_decodes(Step& step) {
  for (size_t i = 0; i < running.size() && step.tokens_left > 0; ++i) {
    SequenceState& sequence = *running[i];
    if (sequence.num_remaining() != 1) continue;
    if (sequence.awaits_token() && sequence.num_generated() >= sequence.max_new_tokens) continue;  // ends with it
    LS_CHECK(sequence.num_generated() < sequence.max_new_tokens,
             "sequence {} has its {} new tokens and was not finished", sequence.id.value(), sequence.max_new_tokens);
    grow(sequence, pages_for(sequence.num_known()), /*may_preempt=*/true);
    if (sequence.num_pages() * config.page_tokens < sequence.num_known()) continue;  // sits out: older ones hold all
    add_row(step, sequence, sequence.num_known());
  }
}

void Planner::Impl::schedule_prompts(Step& step) {
  for (size_t i = 0; i < running.size() && step.tokens_left > 0; ++i) {
    if (running[i]->num_remaining() > 1) schedule_chunk(step, *running[i]);
  }
}

void Planner::Impl::schedule_chunk(Step& step, SequenceState& sequence) {
  const int64_t page_tokens = config.page_tokens;
  adopt_cached_pages(sequence);
  int64_t end = chunk_end(sequence.num_computed, sequence.num_known(), step.tokens_left);
  if (end <= sequence.num_computed) return;

  // A row that decodes ends by itself and gives its pages back: only an empty plan is worth a preemption.
  grow(sequence, pages_for(end), /*may_preempt=*/step.plan.rows.empty());
  end = std::min(end, sequence.num_pages() * page_tokens);
  if (end <= sequence.num_computed) return;
  // Running sequences never want the same page: the later one was admitted when the page was neither cached nor
  // claimed, and whatever kept the earlier one from a row then (budget, pages) kept the later one from starting. Only
  // one that scores its prompt computes what others compute or have computed; commit() keeps one of the pages.
  const auto keys = sequence.page_keys(end / page_tokens, page_tokens);
  for (const Hash128& key : keys.subspan(static_cast<size_t>(sequence.num_computed / page_tokens))) tree.claim(key);
  add_row(step, sequence, end);
}

int64_t Planner::Impl::chunk_end(int64_t first, int64_t num_known, int64_t tokens_left) const {
  const int64_t longest = config.prefill_chunk > 0 ? std::min(tokens_left, config.prefill_chunk) : tokens_left;
  if (num_known - first <= longest) return num_known;
  return (first + longest) / config.page_tokens * config.page_tokens;
}

void Planner::Impl::adopt_cached_pages(SequenceState& sequence) {
  const auto keys = sequence.page_keys(shareable_pages(sequence), config.page_tokens);
  while (sequence.num_pages() < static_cast<int64_t>(keys.size())) {
    PrefixTree::Node* node = tree.find(keys[static_cast<size_t>(sequence.num_pages())]);
    if (node == nullptr) return;
    tree.reference(*node);
    sequence.add_cached_page(*node, config.page_tokens);
    if (!sequence.was_preempted) {
      sequence.cached_prompt_tokens += config.page_tokens;
      stats.cached_prompt_tokens += config.page_tokens;
    }
  }
}

void Planner::Impl::add_row(Step& step, SequenceState& sequence, int64_t end) {
  PlanRow& row = step.plan.rows.emplace_back();
  row.sequence = sequence.id;
  row.first_position = sequence.num_computed;
  row.tokens.assign(sequence.tokens.begin() + sequence.num_computed, sequence.tokens.begin() + end);
  row.pages.assign(sequence.pages.begin(), sequence.pages.begin() + pages_for(end));
  if (end == sequence.num_known()) row.token_source = sequence.token_source;
  row.wants_logits = end == sequence.num_known();
  row.needs_full_logits = row.wants_logits && sequence.needs_full_logits;
  if (std::min(end, sequence.score_end) > sequence.num_scored) {
    row.score_begin = sequence.num_scored;
    row.score_end = std::min(end, sequence.score_end);
  }
  step.tokens_left -= end - sequence.num_computed;
  stats.computed_tokens += end - sequence.num_computed;
}

}  // namespace lockstep
