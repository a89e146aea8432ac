#include "cache/planner/impl.h"
#include "core/error.h"

#include <set>
#include <unordered_map>

namespace lockstep {

void Planner::Impl::check_invariants() const {
  const auto nodes = tree.checked_nodes();
  std::unordered_map<const PrefixTree::Node*, int64_t> references;
  std::set<SlotId> slots, host_slots, open_slots;
  for (const PrefixTree::Node* node : nodes) {
    LS_CHECK(!node->is_on_device() || slots.insert(node->page.slot).second, "slot {} holds two pages",
             node->page.slot.value());
    LS_CHECK(!node->is_on_host() || host_slots.insert(node->host_slot).second, "host slot {} holds two pages",
             node->host_slot.value());
    LS_CHECK(!node->is_on_host() || node->is_cold == pool.is_cold(node->host_slot), "page {} in host slot {} is cold",
             node->page.page.value(), node->host_slot.value());
    LS_CHECK(!disk.has_orphan(node->key), "page {} is cached and an orphan of the disk", node->page.page.value());
  }
  LS_CHECK(static_cast<int64_t>(host_slots.size()) == pool.host().num_used() + pool.cold().num_used(),
           "{} host slots are used, counted {} and {} cold ones", host_slots.size(), pool.host().num_used(),
           pool.cold().num_used());
  for (size_t i = 0; i < running.size(); ++i) {
    const SequenceState& sequence = *running[i];
    const int64_t id = sequence.id.value();
    LS_CHECK(i == 0 || running[i - 1]->place < sequence.place, "sequence {} runs out of order", id);
    LS_CHECK(!waiting.contains(sequence.place), "sequence {} runs and waits", id);
    LS_CHECK(sequence.pages.size() == sequence.cached.size() + sequence.open.size(), "sequence {}: pages", id);
    LS_CHECK(sequence.num_computed <= paging.tokens_of(sequence.num_pages()), "sequence {}: computed tokens", id);
    // num_computed runs ahead of num_scored never: what is still to be scored is still to be computed.
    LS_CHECK(sequence.num_scored >= std::min(sequence.num_computed, sequence.score_end), "sequence {}: {} scored", id,
             sequence.num_scored);
    int64_t num_in_place = 0;
    for (size_t page = 0; page < sequence.cached.size(); ++page) {
      const PrefixTree::Node* node = sequence.cached[page];
      LS_CHECK(node->facts.depth == static_cast<int64_t>(page), "sequence {}: page {} lies {} deep", id, page,
               node->facts.depth);
      if (node->is_in_place()) ++num_in_place;
      LS_CHECK(node->key == sequence.keys[page] && node->page.page == sequence.pages[page], "sequence {}: page {}", id,
               page);
      ++references[node];
    }
    LS_CHECK(sequence.num_in_place == num_in_place, "sequence {}: {} pages are read in place, counted {}", id,
             num_in_place, sequence.num_in_place);
    for (const PlacedPage& page : sequence.open) {
      LS_CHECK(slots.insert(page.slot).second, "slot {} holds two pages", page.slot.value());
      LS_CHECK(page.open_slot.value() < 0 || open_slots.insert(page.open_slot).second, "open slot {} holds two pages",
               page.open_slot.value());
    }
  }
  for (const PrefixTree::Node* node : nodes) {
    LS_CHECK(node->num_references == references[node], "page {}: {} references, counted {}", node->page.page.value(),
             references[node], node->num_references);
  }
  LS_CHECK(static_cast<int64_t>(slots.size()) == pool.num_used(), "{} slots are used, counted {}", slots.size(),
           pool.num_used());
  LS_CHECK(static_cast<int64_t>(open_slots.size()) == pool.open().num_used(), "{} open slots are used, counted {}",
           open_slots.size(), pool.open().num_used());
  LS_CHECK(sequences.size() == running.size() + waiting.size(), "{} sequences, {} running, {} waiting",
           sequences.size(), running.size(), waiting.size());
}

}  // namespace lockstep
