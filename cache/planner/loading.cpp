// How cached pages come to the sequences that read them: from the host within the plan, from the disk by way of the
// host, ahead of their turn where the queue tells.
#include "cache/planner/impl.h"

#include <algorithm>

namespace lockstep {

bool Planner::Impl::adopt_cached_pages(Step& step, SequenceState& sequence, bool may_preempt) {
  sequence.is_loading = false;
  const auto keys = sequence.page_keys(shareable_pages(sequence), paging);
  while (sequence.num_pages() < static_cast<int64_t>(keys.size())) {
    const auto page = static_cast<size_t>(sequence.num_pages());
    PrefixTree::Node* node = find_cached(keys[page], page == 0 ? nullptr : sequence.cached[page - 1]);
    if (node == nullptr) break;
    if (node->is_on_device()) {
      adopt(sequence, *node, Tier::kDevice);
      continue;
    }
    if (node->is_in_place()) {
      adopt(sequence, *node, Tier::kHost);
      continue;
    }
    if (node->is_on_host() && node->fetch == 0) {
      const Tier found_in = node->is_fresh ? Tier::kDisk : Tier::kHost;
      if (!promote(step, sequence, *node, may_preempt)) return false;
      adopt(sequence, *node, found_in);
      continue;
    }
    // On the disk, or on its way from it: with all that follow it in the same place.
    for (size_t next = page; next < keys.size() && node != nullptr; ++next) {
      if (next > page) node = find_cached(keys[next], node);
      if (node == nullptr || (!node->is_on_host() && !fetch(*node, /*is_due=*/true))) break;
    }
    sequence.is_loading = is_waiting_for_disk = true;
    return false;
  }
  // Half of a split page is nothing to go on from.
  if (sequence.open.empty() && sequence.num_pages() > 0 && sequence.num_computed == 0) cut_back(sequence, 0);
  return true;
}

void Planner::Impl::adopt(SequenceState& sequence, PrefixTree::Node& node, Tier found_in) {
  node.is_fresh = false;
  tree.reference(node, next_number);
  const int64_t before = sequence.num_computed;
  sequence.add_cached_page(node, paging);
  fulfil_read(sequence, sequence.num_pages() - 1);
  if (sequence.was_preempted) return;
  const int64_t found = sequence.num_computed - before;
  sequence.cached_prompt_tokens += found;
  stats.cached_prompt_tokens += found;
  stats.hit_tokens[static_cast<size_t>(found_in)] += found;
}

PrefixTree::Node* Planner::Impl::find_cached(const Hash128& key, PrefixTree::Node* parent) {
  if (PrefixTree::Node* node = tree.find(key)) return node;
  if (!disk.take_orphan(key)) return nullptr;
  return &tree.insert_stored(key, parent, pool.new_page(), next_number);
}

int64_t Planner::Impl::num_cached(std::span<const Hash128> chain) {
  int64_t count = tree.num_cached(chain);
  while (count < static_cast<int64_t>(chain.size()) && disk.has_orphan(chain[static_cast<size_t>(count)])) ++count;
  return count;
}

// The page is held in the host tier while room is made for it on the device: what leaves there may go to the host.
bool Planner::Impl::promote(Step& step, SequenceState& sequence, PrefixTree::Node& node, bool may_preempt) {
  constexpr uint64_t kHeld = ~uint64_t{0};
  tree.set_fetch(node, kHeld);
  while (pool.num_free() == 0 && (make_room() || (may_preempt && preempt_younger_than(sequence)))) {}
  const bool has_slot = pool.num_free() > 0;
  tree.set_fetch(node, 0);
  if (!has_slot) return false;
  const auto copy = pool.promote(node.page.page, node.host_slot);
  tree.set_slot(node, copy->slot);
  promoted.push_back(&node);
  step.plan.confirms = true;
  ++stats.promoted_pages;
  if (node.is_cold) ++stats.promoted_cold_pages;
  return true;
}

bool Planner::Impl::fetch(PrefixTree::Node& node, bool is_due) {
  if (node.fetch != 0 || node.disk == DiskCopy::kWriting) return true;  // on its way, in one direction or the other
  if (pool.host().num_free() == 0 && has_cold()) {
    if (!free_exact_slot(node, is_due)) return false;
  } else if (pool.host().num_free() == 0) {
    PrefixTree::Node* victim = tree.host_victim({&node});
    // What else is on the host may lie before pages on the device that nobody reads.
    while (victim == nullptr && pool.host().num_free() == 0 && is_due && config.offload && free_device_slot()) {
      victim = tree.host_victim({&node});
    }
    if (pool.host().num_free() == 0) {
      if (victim == nullptr) return false;
      const bool is_spare = victim->host_score < tree.score(node);
      if (!is_due && !is_spare) return false;
      leave_host(*victim, &node);
    }
  }
  const auto copy = pool.fetch(node.page.page, node.key);
  if (!copy) return false;
  tree.set_host_slot(node, copy->slot);
  tree.set_fetch(node, copy->number);
  node.is_fresh = true;
  fetches.emplace(copy->number, node.key);
  ++stats.fetched_pages;
  return true;
}

void Planner::Impl::fetch_ahead() {
  if (stats.stored_now == 0 || stats.off[static_cast<size_t>(Tier::kDisk)]) return;
  int64_t looks_left = config.max_sequences;
  for (const auto& [place, sequence] : waiting) {
    if (looks_left-- == 0) return;
    if (sequence->awaits_token()) continue;
    const auto keys = sequence->page_keys(shareable_pages(*sequence), paging);
    PrefixTree::Node* node = nullptr;
    for (auto next = static_cast<size_t>(tree.num_on_device(keys)); next < keys.size(); ++next) {
      node = find_cached(keys[next], next == 0 ? nullptr : tree.find(keys[next - 1]));
      if (node == nullptr) break;
      if (node->is_on_device() || node->is_on_host()) continue;
      if (static_cast<int64_t>(fetches.size()) >= config.tiers.fetch_ahead_pages) return;
      if (!fetch(*node, /*is_due=*/false)) return;
    }
  }
}

}  // namespace lockstep
