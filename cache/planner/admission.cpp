// Which waiting sequences start, and behind which cached prefix.
//
// Strictly by place in the queue, but that a sequence that waits for a page in flight lets others pass. A sequence
// starts only when its known tokens and a page of growth for it and for everyone running fit, so that it is not
// preempted right away.
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
    const auto keys = sequence.page_keys(shareable_pages(sequence), paging);
    const int64_t num_cached = this->num_cached(keys);
    if (num_cached < static_cast<int64_t>(keys.size()) && tree.is_claimed(keys[static_cast<size_t>(num_cached)])) {
      ++next;
      continue;
    }
    const int64_t first = paging.tokens_of(num_cached);
    if (chunk_end(first, sequence.num_known(), step.tokens_left) <= first) return;  // the budget is used up
    const int64_t needed = promised + pages_to_admit(sequence, keys);
    const int64_t missing = needed - pool.num_free() - tree.num_unreferenced();
    if (!running.empty() && missing > 0) {
      if (!can_offload(missing)) return;
      list_offloadable();  // with who reads what before this one does
    }

    next = waiting.erase(next);
    start(sequence);
    schedule_chunk(step, sequence);
    promised += pages_soon(sequence) - sequence.num_pages();
  }
}

void Planner::Impl::start(SequenceState& sequence) {
  if (!sequence.was_admitted) {
    sequence.was_admitted = true;
    stats.prompt_tokens += sequence.num_prompt_tokens;
    count_lookups(sequence);
    if (config.order == ScheduleOrder::kReuse) {
      forget_reads(sequence);
      sequence.place = next_place++;
      plan_reads(sequence);
    }
  }
  running.insert(position_in_running(sequence), &sequence);
}

void Planner::Impl::count_lookups(SequenceState& sequence) {
  const auto keys = sequence.page_keys(shareable_pages(sequence), paging);
  for (size_t page = 0; page < keys.size(); ++page) {
    const Hash128& key = keys[page];
    const int64_t num_first = reuse.num_first();
    reuse.access(key);
    const bool is_first = reuse.num_first() > num_first;
    if (paging.is_first_half(static_cast<int64_t>(page))) continue;  // its tokens count with the other half
    if (!is_first || disk.has_orphan(key) || tree.find(key) != nullptr)
      stats.attainable_hit_tokens += config.page_tokens;
  }
}

int64_t Planner::Impl::pages_soon(const SequenceState& sequence) const {
  return paging.pages_for(std::min(sequence.num_known() + config.page_tokens, sequence.max_tokens()));
}

int64_t Planner::Impl::pages_promised() const {
  int64_t total = 0;
  for (const SequenceState* sequence : running) total += pages_soon(*sequence) - sequence->num_pages();
  return total;
}

int64_t Planner::Impl::pages_to_admit(const SequenceState& sequence, std::span<const Hash128> keys) {
  return pages_soon(sequence) - tree.num_referenced(keys);
}

}  // namespace lockstep
