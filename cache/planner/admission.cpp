// Which waiting sequences start, and behind which cached prefix.
//
// Strictly by age, but that a sequence that waits for a page in flight lets others pass. A sequence starts only when
// its known tokens and a page of growth for it and for everyone running fit, so that it is not preempted right away.
#include "cache/planner/impl.h"

#include <algorithm>

namespace lockstep {

void Planner::Impl::admit(Step& step) {
  if (waiting.empty()) return;
  int64_t promised = pages_promised();
  // No more looks than rows: a long queue behind one page in flight costs a step no more than a full batch.
  int64_t looks_left = config.max_sequences;
  for (auto next = waiting.begin();
       next != waiting.end() && looks_left > 0 && static_cast<int64_t>(running.size()) < config.max_sequences;
       --looks_left) {
    SequenceState& sequence = *next->second;
    if (sequence.awaits_token()) {  // preempted in this very plan
      ++next;
      continue;
    }
    const auto keys = sequence.page_keys(shareable_pages(sequence), config.page_tokens);
    const int64_t num_cached = tree.num_cached(keys);
    if (num_cached < static_cast<int64_t>(keys.size()) && tree.is_claimed(keys[static_cast<size_t>(num_cached)])) {
      ++next;
      continue;
    }
    const int64_t first = num_cached * config.page_tokens;
    if (chunk_end(first, sequence.num_known(), step.tokens_left) <= first) return;  // the budget is used up
    const int64_t available = pool.num_free() + tree.num_unreferenced();
    if (!running.empty() && promised + pages_to_admit(sequence, num_cached) > available) return;

    next = waiting.erase(next);
    start(sequence, num_cached);
    schedule_chunk(step, sequence);
    promised += pages_soon(sequence) - sequence.num_pages();
  }
}

void Planner::Impl::start(SequenceState& sequence, int64_t num_cached_pages) {
  running.insert(position_in_running(sequence.id), &sequence);
  for (int64_t page = 0; page < num_cached_pages; ++page) {
    PrefixTree::Node* node = tree.find(sequence.keys[static_cast<size_t>(page)]);
    tree.reference(*node);
    sequence.add_cached_page(*node, config.page_tokens);
  }
  if (sequence.was_admitted) return;
  sequence.was_admitted = true;
  sequence.cached_prompt_tokens = sequence.num_computed;
  stats.prompt_tokens += sequence.num_prompt_tokens;
  stats.cached_prompt_tokens += sequence.num_computed;
}

int64_t Planner::Impl::pages_soon(const SequenceState& sequence) const {
  return pages_for(std::min(sequence.num_known() + config.page_tokens, sequence.max_tokens()));
}

int64_t Planner::Impl::pages_promised() const {
  int64_t total = 0;
  for (const SequenceState* sequence : running) total += pages_soon(*sequence) - sequence->num_pages();
  return total;
}

int64_t Planner::Impl::pages_to_admit(const SequenceState& sequence, int64_t num_cached_pages) {
  int64_t needed = pages_soon(sequence) - num_cached_pages;
  if (num_cached_pages == 0) return needed;
  const PrefixTree::Node* node = tree.find(sequence.keys[static_cast<size_t>(num_cached_pages - 1)]);
  for (; node != nullptr && node->num_references == 0; node = node->parent) ++needed;
  return needed;
}

}  // namespace lockstep
