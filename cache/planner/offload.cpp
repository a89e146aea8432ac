// Pages of running sequences that go on being read, on the host: rows that attend sparsely read few of them.
//
// Any row may read any such page, so that answers do not depend on what is chosen here. The device keeps what is read
// at every step, the first and the last pages of each sequence, and what it computes its prompt with. The copy down
// belongs to the plan that gives the slot away, and that plan confirms it: what fails is known before anybody builds
// on it.
#include "cache/planner/impl.h"

#include <algorithm>
#include <utility>

namespace lockstep {
namespace {

bool costs_more(const OffloadCandidate& one, const OffloadCandidate& other) { return one.cost > other.cost; }

}  // namespace

bool Planner::Impl::offload_page() {
  if (offload_room() == 0) return false;
  if (!has_listed_offloadable) list_offloadable();
  const auto pop = [this] {
    std::pop_heap(offloadable.begin(), offloadable.end(), costs_more);
    offloadable.pop_back();
  };
  while (!offloadable.empty()) {
    PrefixTree::Node* node = offloadable.front().node;
    if (node == nullptr || !is_offloadable(*node)) {
      pop();
      continue;
    }
    if (!node->is_on_host() && !(takes_host_room() && copy_to_host(*node))) return false;
    pop();
    pool.offload(node->page, node->host_slot);
    tree.set_slot(*node, SlotId(-1));
    offloaded.push_back(node);
    const auto page = static_cast<size_t>(node->facts.depth);
    for (SequenceState* sequence : running) {
      if (page < sequence->cached.size() && sequence->cached[page] == node) ++sequence->num_in_place;
    }
    ++stats.evicted_pages;
    ++stats.offloaded_pages;
    return true;
  }
  return false;
}

// Of host slots that may hold pages which are read there. What comes from the disk needs one to come by.
int64_t Planner::Impl::offload_room() const {
  if (!config.offload || stats.off[static_cast<size_t>(Tier::kHost)]) return 0;
  const bool has_disk = config.tiers.disk_pages > 0 || !config.tiers.stored.empty();
  return std::max<int64_t>(pool.host().num_slots() - tree.num_in_place() - (has_disk ? 1 : 0), 0);
}

// What running sequences read is worth more than anything that is only kept.
bool Planner::Impl::takes_host_room() {
  if (pool.host().num_free() > 0) return true;
  PrefixTree::Node* victim = tree.host_victim();
  if (victim == nullptr) return false;
  leave_host(*victim);
  return pool.host().num_free() > 0;
}

// A page that came for a row of this plan stays for it.
bool Planner::Impl::is_offloadable(const PrefixTree::Node& node) const {
  const bool may_leave = node.is_on_device() && node.num_references > 0 && node.fetch == 0;
  return may_leave && std::find(promoted.begin(), promoted.end(), &node) == promoted.end();
}

// Pages that the sequence reads in place stay there as long as it reads them, most of them in one run from its
// beginning: that is passed over for good. What it shares with sequences before it are its first pages, too.
std::span<PrefixTree::Node* const> Planner::Impl::unseen_offloadable(SequenceState& sequence) const {
  if (!sequence.is_sparse || sequence.num_computed < sequence.num_prompt_tokens) return {};
  const int64_t first = std::max(config.sparse_sink_pages, paging.extra()) + paging.extra();
  const int64_t last = sequence.num_pages() - config.sparse_recent_pages - 2;
  const auto end = static_cast<size_t>(std::clamp<int64_t>(last, 0, std::ssize(sequence.cached)));
  size_t& begin = sequence.in_place_end;
  begin = std::max(begin, static_cast<size_t>(first));
  while (begin < end && sequence.cached[begin]->is_in_place()) ++begin;
  if (begin >= end) return {};
  const auto pages = std::span<PrefixTree::Node* const>(sequence.cached).subspan(begin, end - begin);
  const auto unseen =
      std::partition_point(pages.begin(), pages.end(), [this](const auto* node) { return node->seen_in == num_walks; });
  return pages.subspan(static_cast<size_t>(unseen - pages.begin()));
}

bool Planner::Impl::can_offload(int64_t count) {
  if (offload_room() - static_cast<int64_t>(fetches.size()) < count) return false;
  ++num_walks;
  for (SequenceState* sequence : running) {
    for (PrefixTree::Node* node : unseen_offloadable(*sequence)) {
      if (count == 0) return true;
      node->seen_in = num_walks;
      if (is_offloadable(*node)) --count;
    }
  }
  return count == 0;
}

// First to go: what has a copy already, what no prompt is computed with, what fewest sequences read; of those the pages
// of the sequence with most, from its beginning.
void Planner::Impl::list_offloadable() {
  offloadable.clear();
  has_listed_offloadable = true;
  ++num_walks;
  for (const SequenceState* sequence : running) {
    if (sequence->num_computed >= sequence->num_prompt_tokens) continue;
    // From the end: what is marked already comes with all pages before it.
    for (auto node = sequence->cached.rbegin(); node != sequence->cached.rend(); ++node) {
      if (std::exchange((*node)->read_densely_in, num_walks) == num_walks) break;
    }
  }
  for (SequenceState* sequence : running) {
    const size_t first = offloadable.size();
    for (PrefixTree::Node* node : unseen_offloadable(*sequence)) {
      node->seen_in = num_walks;
      if (is_offloadable(*node)) offloadable.push_back({{}, node});
    }
    const auto count = static_cast<int64_t>(offloadable.size() - first);
    for (OffloadCandidate& one : std::span(offloadable).subspan(first)) {
      const PrefixTree::Node& node = *one.node;
      one.cost = {!node.is_on_host(),  node.read_densely_in == num_walks,
                  node.num_references, -count,
                  node.facts.depth,    node.page.page.value()};
    }
  }
  std::make_heap(offloadable.begin(), offloadable.end(), costs_more);
}

}  // namespace lockstep
