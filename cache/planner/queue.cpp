// The sequences that wait: whose turn it is, and which pages they will read.
//
// Places are numbers: of two sequences the lower one comes first, in the queue as when pages are short. In the order of
// input a sequence keeps the place of its coming. For reuse, those that were never admitted are ordered anew when
// enough have come; at its first admission a sequence gets a place before all of these, which it keeps when it is
// preempted.
#include "cache/planner/impl.h"
#include "cache/planner/reuse_order.h"

#include <algorithm>

namespace lockstep {

void Planner::Impl::enqueue(SequenceState& sequence) {
  if (!sequence.was_admitted && config.order == ScheduleOrder::kReuse) {
    sequence.place = next_queue_place++;
    ++num_unordered;
  } else if (!sequence.was_admitted) {
    sequence.place = next_place++;
  }
  waiting.emplace(sequence.place, &sequence);
  plan_reads(sequence);
}

// New ones wait behind the ordered ones until they are an eighth of all: ordering costs time in proportion to all.
void Planner::Impl::order_queue() {
  if (config.order != ScheduleOrder::kReuse || num_unordered == 0) return;
  if (num_unordered * 8 < static_cast<int64_t>(waiting.size())) return;
  num_unordered = 0;
  std::vector<SequenceState*> queued;
  std::vector<QueuedRequest> requests;
  for (const auto& [place, sequence] : waiting) {
    if (sequence->was_admitted) continue;
    auto keys = sequence->page_keys(paging.full_pages(sequence->num_known()), paging);
    if (!keys.empty()) keys = keys.subspan(static_cast<size_t>(paging.extra()));  // one for all tokens of a page
    queued.push_back(sequence);
    requests.push_back({keys, sequence->num_known(), sequence->max_new_tokens});
  }
  const std::vector<size_t> order = reuse_order(requests, config.page_tokens);
  for (SequenceState* sequence : queued) {
    forget_reads(*sequence);
    waiting.erase(sequence->place);
  }
  for (const size_t index : order) {
    SequenceState& sequence = *queued[index];
    sequence.place = next_queue_place++;
    waiting.emplace_hint(waiting.end(), sequence.place, &sequence);
    plan_reads(sequence);
  }
  if (config.knows_future) tree.refresh_all();
}

void Planner::Impl::plan_reads(SequenceState& sequence) {
  if (!config.knows_future) return;
  const auto keys = sequence.page_keys(paging.full_pages(sequence.num_known()), paging);
  sequence.planned_begin = 0;
  sequence.planned_end = static_cast<int64_t>(keys.size());
  for (const Hash128& key : keys) {
    if (readers.add(key, sequence.place)) tree.refresh(key);
  }
}

void Planner::Impl::forget_reads(SequenceState& sequence) {
  for (int64_t page = sequence.planned_begin; page < sequence.planned_end; ++page) {
    const Hash128& key = sequence.keys[static_cast<size_t>(page)];
    if (readers.remove(key, sequence.place)) tree.refresh(key);
  }
  sequence.planned_begin = sequence.planned_end = 0;
}

void Planner::Impl::fulfil_read(SequenceState& sequence, int64_t page) {
  if (page != sequence.planned_begin || page >= sequence.planned_end) return;
  const Hash128& key = sequence.keys[static_cast<size_t>(page)];
  ++sequence.planned_begin;
  if (readers.remove(key, sequence.place)) tree.refresh(key);
}

}  // namespace lockstep
