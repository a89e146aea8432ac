// Pages of running sequences that go on being read, on the host: rows that attend sparsely read few of them.
//
// Any row may read any such page, so that answers do not depend on what is chosen here. The device keeps what is read
// at every step, the first and the last pages of each sequence, and what it computes its prompt with. The copy down
// belongs to the plan that gives the slot away, and that plan confirms it: what fails is known before anybody builds
// on it.
#include "cache/planner/impl.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>

namespace lockstep {

bool Planner::Impl::offload_page() {
  if (offload_room() == 0) return false;
  if (offloadable_of != next_number) list_offloadable();
  while (!offloadable.empty()) {
    PrefixTree::Node* node = offloadable.back();
    if (node == nullptr || !is_offloadable(*node)) {
      offloadable.pop_back();
      continue;
    }
    if (!node->is_on_host() && !(takes_host_room() && copy_to_host(*node))) return false;
    offloadable.pop_back();
    pool.offload(node->page, node->host_slot);
    tree.set_slot(*node, SlotId(-1));
    offloaded.push_back(node);
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

int64_t Planner::Impl::num_offloadable() {
  const int64_t room = offload_room() - static_cast<int64_t>(fetches.size());
  if (room <= 0) return 0;
  list_offloadable();
  return std::min(room, static_cast<int64_t>(offloadable.size()));
}

// Last, so first to go: what has a copy already, what no prompt is computed with, what fewest sequences read; of those
// the pages of the sequence with most, from its beginning.
void Planner::Impl::list_offloadable() {
  struct Candidate {
    PrefixTree::Node* node;
    bool is_read_densely;
    int64_t num_of_sequence;
  };
  offloadable.clear();
  offloadable_of = next_number;
  std::vector<Candidate> candidates;
  std::unordered_map<const PrefixTree::Node*, size_t> places;
  for (const SequenceState* sequence : running) {
    if (!sequence->is_sparse || sequence->num_computed < sequence->num_prompt_tokens) continue;
    const auto num_cached = static_cast<int64_t>(sequence->cached.size());
    const int64_t begin = config.sparse_sink_pages + paging.extra();
    const int64_t end = std::min(sequence->num_pages() - config.sparse_recent_pages - 2, num_cached);
    const size_t first = candidates.size();
    for (int64_t page = begin; page < end; ++page) {
      PrefixTree::Node* node = sequence->cached[static_cast<size_t>(page)];
      if (is_offloadable(*node) && places.emplace(node, candidates.size()).second)
        candidates.push_back({node, false, 0});
    }
    const auto count = static_cast<int64_t>(candidates.size() - first);
    for (size_t i = first; i < candidates.size(); ++i) candidates[i].num_of_sequence = count;
  }
  for (const SequenceState* sequence : running) {
    if (sequence->num_computed >= sequence->num_prompt_tokens) continue;
    for (const PrefixTree::Node* node : sequence->cached) {
      if (const auto at = places.find(node); at != places.end()) candidates[at->second].is_read_densely = true;
    }
  }
  const auto cost = [](const Candidate& one) {
    const PrefixTree::Node& node = *one.node;
    return std::tuple(!node.is_on_host(), one.is_read_densely, node.num_references, -one.num_of_sequence,
                      node.facts.depth, node.page.page.value());
  };
  std::sort(candidates.begin(), candidates.end(), [&](const auto& a, const auto& b) { return cost(a) > cost(b); });
  for (const Candidate& one : candidates) offloadable.push_back(one.node);
}

int64_t Planner::Impl::count_in_place(const SequenceState& sequence) const {
  if (tree.num_in_place() == 0) return 0;
  return std::count_if(sequence.cached.begin(), sequence.cached.end(),
                       [](const auto* node) { return node->is_in_place(); });
}

}  // namespace lockstep
