// After a step: full pages enter the prefix tree, sampled tokens their sequences; ended sequences leave.
#include "cache/planner/impl.h"
#include "core/error.h"

#include <algorithm>

namespace lockstep {

void Planner::Impl::commit(const StepPlan& plan, std::span<const TokenId> sampled) {
  LS_CHECK(plan_is_open && plan.number + 1 == next_number, "plan {} is committed; plan {} {}", plan.number,
           next_number - 1, plan_is_open ? "was the last one" : "was committed already");
  const auto num_wanted = std::count_if(plan.rows.begin(), plan.rows.end(), [](auto& row) { return row.wants_logits; });
  LS_CHECK(num_wanted == static_cast<int64_t>(sampled.size()), "plan {} wants {} tokens, {} were sampled", plan.number,
           num_wanted, sampled.size());
  size_t next_sampled = 0;
  for (const PlanRow& row : plan.rows) {
    SequenceState& sequence = sequence_of(row.sequence);
    sequence.num_computed += static_cast<int64_t>(row.tokens.size());
    sequence.num_scored = std::max(sequence.num_scored, row.score_end);
    seal_full_pages(sequence);
    if (row.wants_logits) sequence.tokens.push_back(sampled[next_sampled++]);
  }
  tree.clear_claims();
  plan_is_open = false;
  update_gauges();
}

// The SEAL ops go into the next plan, before its rows: a page is shared only behind them.
void Planner::Impl::seal_full_pages(SequenceState& sequence) {
  const int64_t num_full = sequence.num_computed / config.page_tokens;
  const auto keys = sequence.page_keys(num_full, config.page_tokens);
  const size_t first = sequence.cached.size();
  for (size_t i = first; i < keys.size(); ++i) {
    const PlacedPage page = sequence.open[i - first];
    PrefixTree::Node* node = tree.find(keys[i]);
    if (node != nullptr) {  // computed twice: the same bits, so the first one serves both
      tree.reference(*node);
      sequence.pages[i] = node->page.page;
      pool.evict(page);
    } else {
      pool.seal(page);
      node = &tree.insert(keys[i], i == 0 ? nullptr : sequence.cached[i - 1], page);
    }
    sequence.cached.push_back(node);
  }
  sequence.open.erase(sequence.open.begin(), sequence.open.begin() + static_cast<int64_t>(keys.size() - first));
}

SequenceReport Planner::Impl::finish(SequenceId id) {
  LS_CHECK(!plan_is_open, "sequence {} is finished before plan {} is committed", id.value(), next_number - 1);
  SequenceState& sequence = sequence_of(id);
  if (waiting.erase(id) == 0) {
    running.erase(position_in_running(id));
    release_pages(sequence);
  }
  if (!config.share_prefixes) drop_private_pages(sequence);
  const SequenceReport report{sequence.cached_prompt_tokens};
  sequences.erase(id);
  update_gauges();
  return report;
}

}  // namespace lockstep
