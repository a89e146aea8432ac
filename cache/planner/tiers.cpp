// How pages go down: from the device to the host, from the host to the disk, from the last tier into oblivion.
#include "cache/planner/impl.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace lockstep {

bool Planner::Impl::free_device_slot() {
  PrefixTree::Node* victim = tree.device_victim();
  if (victim == nullptr) return false;
  leave_device(*victim);
  return true;
}

void Planner::Impl::leave_device(PrefixTree::Node& node) {
  if (!node.is_on_host()) demote(node, /*is_leaving=*/true);
  // Which slot comes next must not depend on how fast copies are, where results depend on the plans.
  const bool is_read = node.host_fill != 0 && (has_cold() || copies.contains(node.host_fill));
  pool.evict(node.page, is_read);
  tree.set_slot(node, SlotId(-1));
  ++stats.evicted_pages;
  if (!node.is_present()) drop(node);
}

bool Planner::Impl::demote(PrefixTree::Node& node, bool is_leaving) {
  if (pool.host().num_slots() == 0 || stats.off[static_cast<size_t>(Tier::kHost)]) return false;
  if (has_cold()) return demote_or_shrink(node);
  if (pool.host().num_free() == 0) {
    PrefixTree::Node* victim = tree.host_victim();
    if (victim == nullptr) return false;
    const uint64_t worth = tree.score(node);
    const bool is_worth_less =
        victim->host_score < worth || (victim->host_score == worth && victim->facts.depth > node.facts.depth);
    // What is worth more goes on to the disk rather than that a page of a prompt is lost.
    const bool is_kept = victim->disk != DiskCopy::kNone || (config.share_prefixes && disk.has_room());
    if (!is_worth_less && (!is_leaving || node.facts.is_output || !is_kept)) return false;
    leave_host(*victim);
  }
  return copy_to_host(node);
}

bool Planner::Impl::copy_to_host(PrefixTree::Node& node) {
  const auto copy = pool.demote(node.page);
  if (!copy) return false;
  tree.set_host_slot(node, copy->slot);
  node.host_fill = copy->number;
  copies.emplace(copy->number, node.key);
  ++stats.demoted_pages;
  return true;
}

void Planner::Impl::leave_host(PrefixTree::Node& node, const PrefixTree::Node* kept) {
  if (!node.is_on_device() && node.disk == DiskCopy::kNone) store(node, /*may_reclaim=*/true, kept);
  drop_host_copy(node);
  if (!node.is_present()) drop(node);
}

void Planner::Impl::drop_host_copy(PrefixTree::Node& node) {
  ++stats.evictions[static_cast<size_t>(Tier::kHost)];
  pool.evict_host(node.page.page, node.host_slot, /*is_read=*/true);
  tree.set_host_slot(node, SlotId(-1));
}

// What cannot be found by another sequence is not worth a place on the disk.
bool Planner::Impl::store(PrefixTree::Node& node, bool may_reclaim, const PrefixTree::Node* kept) {
  if (!disk.takes_pages() || !config.share_prefixes || node.is_cold) return false;
  if (!disk.has_room() && !(may_reclaim && reclaim_disk_segment({&node, kept}))) return false;
  disk.add(node.key);
  node.disk_write = pool.store(node.page.page, node.host_slot, node.key);
  tree.set_disk(node, DiskCopy::kWriting);
  writes.emplace(node.disk_write, node.key);
  ++stats.stored_pages;
  return true;
}

// Of the full segments the one whose best page is worth least; none with pages that are being read or written.
bool Planner::Impl::reclaim_disk_segment(std::initializer_list<const PrefixTree::Node*> kept) {
  std::unordered_set<const PrefixTree::Node*> spared;
  for (const PrefixTree::Node* node : kept) {
    for (; node != nullptr; node = node->parent) spared.insert(node);
  }
  std::unordered_set<Hash128> in_flight;
  for (const auto& [number, key] : writes) in_flight.insert(key);
  std::optional<std::pair<uint64_t, size_t>> least;
  for (size_t i = 0; i < disk.segments().size(); ++i) {
    const DiskBook::Segment& segment = disk.segments()[i];
    if (!disk.is_full(segment)) continue;
    uint64_t worth = 0;
    bool is_free = true;
    for (const Hash128& key : segment.keys) {
      is_free = is_free && !in_flight.contains(key);
      const PrefixTree::Node* node = tree.find(key);
      if (node == nullptr) continue;
      is_free = is_free && (node->is_on_device() || !spared.contains(node)) && node->fetch == 0;
      worth = std::max(worth, tree.score(*node));
    }
    if (is_free && (!least || worth < least->first)) least = {worth, i};
  }
  if (!least) return false;
  const DiskBook::Segment segment = disk.take(least->second);
  for (const Hash128& key : segment.keys) {
    if (disk.take_orphan(key)) {
      pool.evict_disk(PageId(-1), key);
    } else if (PrefixTree::Node* node = tree.find(key); node != nullptr && node->disk == DiskCopy::kStored) {
      drop_disk_copy(*node);
    }
  }
  return true;
}

void Planner::Impl::drop_disk_copy(PrefixTree::Node& node) {
  ++stats.evictions[static_cast<size_t>(Tier::kDisk)];
  pool.evict_disk(node.page.page, node.key);
  tree.set_disk(node, DiskCopy::kNone);
  node.disk_write = 0;
  if (!node.is_present()) drop(node);
}

void Planner::Impl::drop_below(PrefixTree::Node& node) {
  while (node.first_child != nullptr) drop(*node.first_child);
}

void Planner::Impl::drop(PrefixTree::Node& node) {
  drop_below(node);
  if (node.is_on_device()) {
    pool.evict(node.page, /*is_read=*/true);
    tree.set_slot(node, SlotId(-1));
  }
  if (node.is_on_host()) drop_host_copy(node);
  if (node.disk == DiskCopy::kStored) disk.add_orphan(node.key);
  tree.set_disk(node, DiskCopy::kNone);  // one that is being written becomes an orphan when it is there
  ++stats.dropped_pages;
  forget(node);
}

void Planner::Impl::forget(PrefixTree::Node& node) {
  for (auto* list : {&promoted, &offloaded}) {
    std::replace(list->begin(), list->end(), &node, static_cast<PrefixTree::Node*>(nullptr));
  }
  for (OffloadCandidate& one : offloadable) {
    if (one.node == &node) one.node = nullptr;
  }
  tree.remove(node, next_number);
}

// Copies made before room is needed: the slot of a page that has one is free at once.
void Planner::Impl::copy_ahead() {
  if (config.tiers.copy_ahead_pages == 0 || pool.host().num_slots() == 0) return;
  if (pool.num_free() >= config.tiers.copy_ahead_pages) return;
  for (PrefixTree::Node* node : tree.next_device_victims(config.tiers.copy_ahead_pages - pool.num_free())) {
    if (!node->is_on_host() && !demote(*node, /*is_leaving=*/false)) return;
  }
}

}  // namespace lockstep
