// One step: decode rows, then prompt chunks, then new sequences.
//
// Why a plan is empty only while something comes from the disk. Only rows of the same plan hold claims, and a plan
// without rows has its whole budget, so only missing pages can keep the first running sequence from a row. It takes
// them from all younger ones; alone, it fits by the check of add(). With nothing running, the first waiting sequence is
// admitted for the same reason. What comes from the disk needs a host slot: there is one, or all are being filled.
#include "cache/planner/impl.h"
#include "core/error.h"

#include <algorithm>

namespace lockstep {
namespace {

// Rows for the kernels that tokens [first, end) of a sequence are, but the first: those before `first_sparse` are one
// row, each of the others is one.
int64_t extra_rows(int64_t first, int64_t first_sparse, int64_t end) {
  return (first < first_sparse ? 1 : 0) + (end - first_sparse) - 1;
}

}  // namespace

StepPlan Planner::Impl::plan() {
  LS_CHECK(!sequences.empty(), "a plan was asked for without sequences");
  LS_CHECK(!unresolved, "the tokens of plan {} were not told", *unresolved);
  std::optional<StepPlan> plan = make_plan(/*may_wait=*/true);
  LS_CHECK(plan.has_value(), "plan {} is empty with {} running and {} waiting sequences", next_number, running.size(),
           waiting.size());
  open_plan_is_ahead = false;
  return std::move(*plan);
}

std::optional<StepPlan> Planner::Impl::plan_ahead() {
  LS_CHECK(unresolved.has_value(), "plan {} is made ahead of nothing", next_number);
  std::optional<StepPlan> plan = make_plan(/*may_wait=*/false);
  if (plan) open_plan_is_ahead = true;
  return plan;
}

// Without rows nothing is handed out: page operations so far go with the next plan.
std::optional<StepPlan> Planner::Impl::make_plan(bool may_wait) {
  LS_CHECK(!plan_is_open, "plan {} was not committed", next_number - 1);
  Step step;
  step.tokens_left = config.max_step_tokens;
  step.extra_rows_left = config.page_tokens;
  step.plan.rows.reserve(running.size());
  is_waiting_for_disk = false;
  has_listed_offloadable = false;
  order_queue();
  take_arrived(step);
  schedule_decodes(step);
  schedule_prompts(step);
  admit(step);
  fetch_ahead();
  copy_ahead();
  if (step.plan.rows.empty() && !(may_wait && is_waiting_for_disk)) {
    update_gauges();
    return std::nullopt;
  }
  // Also for a plan that was not handed out.
  step.plan.confirms = !promoted.empty() || !offloaded.empty();
  step.plan.number = next_number++;
  step.plan.digest_before = pool.digest();
  step.plan.ops = pool.take_ops();
  plan_is_open = true;
  ++stats.steps;
  update_gauges();
  return std::move(step.plan);
}

// Pages from the disk go on to the device before anything else can push them out of the host again.
void Planner::Impl::take_arrived(Step& step) {
  for (SequenceState* sequence : running) {
    if (sequence->is_loading) adopt_cached_pages(step, *sequence, /*may_preempt=*/false);
  }
}

// Oldest first, so that a victim, the youngest, never has a row yet. The bound is read anew: preemption shortens it.
void Planner::Impl::schedule_decodes(Step& step) {
  for (size_t i = 0; i < running.size() && step.tokens_left > 0; ++i) {
    SequenceState& sequence = *running[i];
    if (sequence.num_remaining() != 1) continue;
    if (sequence.awaits_token() && sequence.num_generated() >= sequence.max_new_tokens) continue;  // ends with it
    LS_CHECK(sequence.num_generated() < sequence.max_new_tokens,
             "sequence {} has its {} new tokens and was not finished", sequence.id.value(), sequence.max_new_tokens);
    grow(sequence, paging.pages_for(sequence.num_known()), /*may_preempt=*/true);
    if (paging.tokens_of(sequence.num_pages()) < sequence.num_known()) continue;  // sits out: older ones hold all
    add_row(step, sequence, sequence.num_known());
  }
}

void Planner::Impl::schedule_prompts(Step& step) {
  for (size_t i = 0; i < running.size() && step.tokens_left > 0; ++i) {
    if (running[i]->num_remaining() > 1) schedule_chunk(step, *running[i]);
  }
}

void Planner::Impl::schedule_chunk(Step& step, SequenceState& sequence) {
  // A row that decodes ends by itself and gives its pages back: only an empty plan is worth a preemption.
  const bool may_preempt = step.plan.rows.empty();
  if (!adopt_cached_pages(step, sequence, may_preempt)) return;
  int64_t end = chunk_end(sequence, step);
  if (end <= sequence.num_computed) return;
  // Two that waited for a cached page which was void want the same: one computes it. One that scores its prompt
  // computes what others compute or have computed; commit() keeps one of the pages.
  const bool scores = sequence.num_scored < sequence.score_end;
  const auto first_page = static_cast<size_t>(paging.full_pages(sequence.num_computed));
  const auto wanted = sequence.page_keys(paging.full_pages(end), paging).subspan(first_page);
  if (!scores && !wanted.empty() && tree.is_claimed(wanted.front())) return;

  grow(sequence, paging.pages_for(end), may_preempt);
  end = std::min(end, paging.tokens_of(sequence.num_pages()));
  if (end <= sequence.num_computed) return;
  const auto keys = sequence.page_keys(paging.full_pages(end), paging);
  for (const Hash128& key : keys.subspan(first_page)) tree.claim(key);
  add_row(step, sequence, end);
}

int64_t Planner::Impl::chunk_end(int64_t first, int64_t num_known, int64_t tokens_left) const {
  const int64_t longest = config.prefill_chunk > 0 ? std::min(tokens_left, config.prefill_chunk) : tokens_left;
  if (num_known - first <= longest) return num_known;
  return (first + longest) / config.page_tokens * config.page_tokens;
}

// Tokens behind the prompt that attend sparsely are a row each for the kernels, with a page table each. Beside one row
// for each sequence a step has page_tokens more at most, and a chunk the tokens of one page: whoever sizes batches
// relies on it. There are more only where sequences were preempted or cut back. A chunk that finds no room stops at a
// page's end before such tokens; the first of a step always has room.
int64_t Planner::Impl::chunk_end(const SequenceState& sequence, const Step& step) const {
  const int64_t first = sequence.num_computed, end = chunk_end(first, sequence.num_known(), step.tokens_left);
  const int64_t first_sparse = std::max(first, sequence.num_prompt_tokens), page_tokens = config.page_tokens;
  if (!sequence.is_sparse || end <= first_sparse) return end;
  const int64_t longest = std::min(end, (first_sparse / page_tokens + 1) * page_tokens);
  if (extra_rows(first, first_sparse, longest) <= step.extra_rows_left) return longest;
  return first_sparse / page_tokens * page_tokens;
}

void Planner::Impl::add_row(Step& step, SequenceState& sequence, int64_t end) {
  PlanRow& row = step.plan.rows.emplace_back();
  row.sequence = sequence.id;
  row.first_position = sequence.num_computed;
  row.tokens.assign(sequence.tokens.begin() + sequence.num_computed, sequence.tokens.begin() + end);
  row.pages.assign(sequence.pages.begin(), sequence.pages.begin() + paging.pages_for(end));
  if (end == sequence.num_known()) row.token_source = sequence.token_source;
  row.wants_logits = end == sequence.num_known();
  row.needs_full_logits = row.wants_logits && sequence.needs_full_logits;
  if (std::min(end, sequence.score_end) > sequence.num_scored) {
    row.score_begin = sequence.num_scored;
    row.score_end = std::min(end, sequence.score_end);
  }
  if (sequence.is_sparse && end > sequence.num_prompt_tokens) {
    row.sparse_begin = std::max(row.first_position, sequence.num_prompt_tokens);
    step.extra_rows_left -= extra_rows(row.first_position, row.sparse_begin, end);
  }
  step.tokens_left -= end - sequence.num_computed;
  stats.computed_tokens += end - sequence.num_computed;
  stats.in_place_page_reads += sequence.num_in_place;
}

}  // namespace lockstep
