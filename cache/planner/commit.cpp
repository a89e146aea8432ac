// After a step: full pages enter the prefix tree, sampled tokens their sequences; ended sequences leave.
#include "cache/planner/impl.h"
#include "core/error.h"

#include <algorithm>

namespace lockstep {
namespace {

void check_count(const StepPlan& plan, std::span<const TokenId> sampled) {
  const auto num_wanted = std::count_if(plan.rows.begin(), plan.rows.end(), [](auto& row) { return row.wants_logits; });
  LS_CHECK(num_wanted == static_cast<int64_t>(sampled.size()), "plan {} wants {} tokens, {} were sampled", plan.number,
           num_wanted, sampled.size());
}

}  // namespace

void Planner::Impl::commit(const StepPlan& plan, std::span<const TokenId> sampled, std::span<const PageId> failed) {
  check_count(plan, sampled);
  LS_CHECK(plan.confirms || failed.empty(), "plan {} confirms nothing", plan.number);
  check_is_open(plan);
  fail_promotions(failed);
  commit_rows(plan, void_rows(plan, failed));
  resolve(plan, sampled);
}

std::vector<size_t> Planner::void_rows(const StepPlan& plan, std::span<const PageId> failed) {
  std::vector<size_t> rows;
  for (size_t row = 0; row < plan.rows.size() && !failed.empty(); ++row) {
    const std::vector<PageId>& pages = plan.rows[row].pages;
    if (std::find_first_of(pages.begin(), pages.end(), failed.begin(), failed.end()) != pages.end())
      rows.push_back(row);
  }
  return rows;
}

void Planner::Impl::commit_ahead(const StepPlan& plan) {
  LS_CHECK(!plan.confirms, "plan {} is committed without its pages being confirmed", plan.number);
  check_is_open(plan);
  commit_rows(plan, {});
}

void Planner::Impl::check_is_open(const StepPlan& plan) const {
  LS_CHECK(!unresolved, "the tokens of plan {} were not told", *unresolved);
  LS_CHECK(plan_is_open && plan.number + 1 == next_number, "plan {} is committed; plan {} {}", plan.number,
           next_number - 1, plan_is_open ? "was the last one" : "was committed already");
}

void Planner::Impl::commit_rows(const StepPlan& plan, std::span<const size_t> void_rows) {
  int32_t next_source = 0;
  for (size_t i = 0; i < plan.rows.size(); ++i) {
    const PlanRow& row = plan.rows[i];
    const int32_t source = row.wants_logits ? next_source++ : -1;
    if (std::binary_search(void_rows.begin(), void_rows.end(), i)) {
      ++stats.void_rows;
      continue;
    }
    if (open_plan_is_ahead && !sequences.contains(row.sequence)) continue;  // ended while the row was computed
    SequenceState& sequence = sequence_of(row.sequence);
    sequence.num_computed += static_cast<int64_t>(row.tokens.size());
    sequence.num_scored = std::max(sequence.num_scored, row.score_end);
    seal_full_pages(sequence);
    if (!row.wants_logits) continue;
    sequence.tokens.push_back(kUnknownToken);
    sequence.token_source = source;
  }
  tree.clear_claims();
  promoted.clear();
  offloaded.clear();
  offloadable.clear();
  plan_is_open = false;
  unresolved = plan.number;
  update_gauges();
}

void Planner::Impl::resolve(const StepPlan& plan, std::span<const TokenId> sampled) {
  LS_CHECK(unresolved == plan.number, "no tokens of plan {} are out", plan.number);
  check_count(plan, sampled);
  size_t next_sampled = 0;
  for (const PlanRow& row : plan.rows) {
    if (!row.wants_logits) continue;
    const TokenId token = sampled[next_sampled++];
    const auto at = sequences.find(row.sequence);
    if (at == sequences.end() || !at->second.awaits_token()) continue;  // it ended, or the row was void
    at->second.tokens.back() = token;
    at->second.token_source = -1;
  }
  unresolved.reset();
}

// The SEAL ops go into the next plan, before its rows: a page is shared only behind them.
void Planner::Impl::seal_full_pages(SequenceState& sequence) {
  const auto keys = sequence.page_keys(paging.full_pages(sequence.num_computed), paging);
  const size_t first = sequence.cached.size();
  for (size_t i = first; i < keys.size(); ++i) {
    PlacedPage page = sequence.open[i - first];
    PrefixTree::Node* node = tree.find(keys[i]);
    if (node != nullptr && !node->is_on_device() && !node->is_in_place()) {  // it was cached elsewhere
      if (node->is_on_host()) drop_host_copy(*node);
      pool.seal(page);
      tree.set_page(*node, page);
      tree.reference(*node, next_number);
    } else if (node != nullptr) {  // computed twice: the same bits, so the first one serves both
      tree.reference(*node, next_number);
      sequence.pages[i] = node->page.page;
      pool.evict(page);
    } else {
      pool.seal(page);
      const bool is_output = paging.tokens_of(static_cast<int64_t>(i) + 1) > sequence.num_prompt_tokens;
      node = &tree.insert(keys[i], i == 0 ? nullptr : sequence.cached[i - 1], page, next_number, is_output);
      if (disk.take_orphan(keys[i])) tree.set_disk(*node, DiskCopy::kStored);
    }
    sequence.cached.push_back(node);
    if (node->is_in_place()) ++sequence.num_in_place;
    fulfil_read(sequence, static_cast<int64_t>(i));
  }
  sequence.open.erase(sequence.open.begin(), sequence.open.begin() + static_cast<int64_t>(keys.size() - first));
}

SequenceReport Planner::Impl::finish(SequenceId id) {
  LS_CHECK(!plan_is_open || open_plan_is_ahead, "sequence {} is finished before plan {} is committed", id.value(),
           next_number - 1);
  SequenceState& sequence = sequence_of(id);
  forget_reads(sequence);
  if (waiting.erase(sequence.place) == 0) {
    running.erase(position_in_running(sequence));
    release_pages(sequence);
  }
  if (!config.share_prefixes) drop_private_pages(sequence);
  const SequenceReport report{sequence.cached_prompt_tokens};
  sequences.erase(id);
  update_gauges();
  return report;
}

}  // namespace lockstep
