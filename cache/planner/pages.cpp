// How a sequence comes to pages when the pool is full, and how it gives them up.
#include "cache/planner/impl.h"

namespace lockstep {

void Planner::Impl::grow(SequenceState& sequence, int64_t num_pages, bool may_preempt) {
  while (sequence.num_pages() < num_pages) {
    const bool opens = config.open_slots > 0 && !paging.is_second_half(sequence.num_pages());
    const bool can_open = !opens || pool.open().num_free() > 0;
    if (can_open && (pool.num_free() > 0 || make_room())) {
      sequence.add_open_page(*pool.allocate(opens));
    } else if (!may_preempt || !preempt_younger_than(sequence)) {
      return;
    }
  }
}

bool Planner::Impl::preempt_younger_than(const SequenceState& sequence) {
  SequenceState& youngest = *running.back();
  if (&youngest == &sequence) return false;
  running.pop_back();
  release_pages(youngest);
  youngest.was_preempted = true;
  forget_reads(youngest);
  enqueue(youngest);
  ++stats.preemptions;
  return true;
}

void Planner::Impl::release_pages(SequenceState& sequence) {
  for (const PlacedPage& page : sequence.open) pool.evict(page);
  for (auto node = sequence.cached.rbegin(); node != sequence.cached.rend(); ++node) tree.release(**node, next_number);
  sequence.open.clear();
  sequence.cached.clear();
  sequence.pages.clear();
  sequence.num_in_place = 0;
  sequence.in_place_end = 0;
  sequence.num_computed = 0;
  sequence.is_loading = false;
}

void Planner::Impl::drop_private_pages(SequenceState& sequence) {
  for (auto key = sequence.keys.rbegin(); key != sequence.keys.rend(); ++key) {
    if (PrefixTree::Node* node = tree.find(*key)) drop(*node);
  }
}

}  // namespace lockstep
