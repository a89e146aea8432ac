// What becomes of transfers: copies that are there, and copies that failed. All ranks or none.
#include "cache/planner/impl.h"
#include "core/error.h"

#include <algorithm>
#include <set>

namespace lockstep {
namespace {

// Takes what has ended from the transfers under way, in order, and hands it over.
template <class Handle>
void take_ended(std::map<uint64_t, Hash128>& under_way, uint64_t done, Handle&& handle) {
  while (!under_way.empty() && under_way.begin()->first <= done) {
    const auto [number, key] = *under_way.begin();
    under_way.erase(under_way.begin());
    handle(number, key);
  }
}

}  // namespace

void Planner::Impl::report(const TransferStatus& status) {
  for (const TransferStatus::Failure& failure : status.failed) {
    if (failure.channel == TransferChannel::kToHost) fail_host_copy(failure.number);
    if (failure.channel == TransferChannel::kFromDisk) fail_fetch(failure.number);
    if (failure.channel == TransferChannel::kToDisk) fail_store(failure.number);
  }
  const auto done = [&](TransferChannel channel) { return status.done[static_cast<size_t>(channel)]; };
  take_ended(copies, done(TransferChannel::kToHost), [](uint64_t, const Hash128&) {});
  take_ended(fetches, done(TransferChannel::kFromDisk), [this](uint64_t number, const Hash128& key) {
    PrefixTree::Node* node = tree.find(key);
    if (node == nullptr || node->fetch != number) return;
    tree.set_fetch(*node, 0);
    tree.touch(*node, next_number);  // somebody waits for it
  });
  take_ended(writes, done(TransferChannel::kToDisk), [this](uint64_t number, const Hash128& key) {
    PrefixTree::Node* node = tree.find(key);
    if (node == nullptr) {
      disk.add_orphan(key);
    } else if (node->disk_write == number || node->disk == DiskCopy::kNone) {  // or it left and came back meanwhile
      tree.set_disk(*node, DiskCopy::kStored);
    }
  });
  update_gauges();
}

void Planner::Impl::fail_host_copy(uint64_t number) {
  count_fault(Tier::kHost, TransferChannel::kToHost);
  const auto at = copies.find(number);
  if (at == copies.end()) return;
  PrefixTree::Node* node = tree.find(at->second);
  copies.erase(at);
  if (node == nullptr || node->host_fill != number) return;
  if (node->is_in_place()) return;  // the plan that offloaded it confirms it, and tells then
  if (node->is_on_device() || (node->disk == DiskCopy::kStored && node->num_carrying_children == 0)) {
    drop_host_copy(*node);
  } else {
    invalidate(*node);
  }
}

void Planner::Impl::fail_fetch(uint64_t number) {
  count_fault(Tier::kDisk, TransferChannel::kFromDisk);
  const auto at = fetches.find(number);
  if (at == fetches.end()) return;
  PrefixTree::Node* node = tree.find(at->second);
  fetches.erase(at);
  if (node != nullptr && node->fetch == number) invalidate(*node);
}

void Planner::Impl::fail_store(uint64_t number) {
  count_fault(Tier::kDisk, TransferChannel::kToDisk);
  const auto at = writes.find(number);
  if (at == writes.end()) return;
  PrefixTree::Node* node = tree.find(at->second);
  // Other ranks may have written theirs.
  pool.evict_disk(node == nullptr ? PageId(-1) : node->page.page, at->second);
  writes.erase(at);
  if (node == nullptr || node->disk_write != number) return;
  tree.set_disk(*node, DiskCopy::kNone);
  node->disk_write = 0;
  if (!node->is_present()) drop(*node);
}

void Planner::Impl::fail_promotions(std::span<const PageId> pages) {
  std::set<PageId> went_down;  // their copies to the host are counted when they are reported
  for (const PrefixTree::Node* node : offloaded) {
    if (node != nullptr) went_down.insert(node->page.page);
  }
  for (const PageId page : pages) {
    const bool is_down = went_down.contains(page);
    if (!is_down) count_fault(Tier::kHost, TransferChannel::kToDevice);
    const auto& nodes = is_down ? offloaded : promoted;
    const auto at = std::find_if(nodes.begin(), nodes.end(),
                                 [&](const auto* node) { return node != nullptr && node->page.page == page; });
    if (at != nodes.end()) invalidate(**at);  // else it went with a page before it
  }
}

// A tier that fails again and again is left alone: what it has is forgotten, but what running sequences read there,
// whose copies were confirmed.
void Planner::Impl::count_fault(Tier tier, TransferChannel channel) {
  ++stats.failed_transfers[static_cast<size_t>(channel)];
  const int64_t limit = config.tiers.faults_until_off;
  if (++faults[static_cast<size_t>(tier)] == limit) switch_off(tier);
}

void Planner::Impl::switch_off(Tier tier) {
  stats.off[static_cast<size_t>(tier)] = true;
  if (tier == Tier::kDisk) {
    disk.close();
    for (PrefixTree::Node* node : tree.nodes()) {
      tree.set_disk(*node, DiskCopy::kNone);
      node->disk_write = 0;
    }
    writes.clear();
    // The deepest first: a page is forgotten with what hangs below it, which has been looked at then.
    std::vector<PrefixTree::Node*> nodes = tree.nodes();
    std::stable_sort(nodes.begin(), nodes.end(),
                     [](const auto* x, const auto* y) { return x->facts.depth > y->facts.depth; });
    for (PrefixTree::Node* node : nodes) {
      if (!node->is_present()) drop(*node);
    }
    return;
  }
  const auto next = [this] {
    PrefixTree::Node* node = tree.host_victim();
    if (node == nullptr) node = tree.first_victim();
    return node != nullptr ? node : tree.cold_victim();
  };
  while (PrefixTree::Node* node = next()) {
    drop_host_copy(*node);
    if (!node->is_present()) drop(*node);
  }
}

// Descendants are forgotten with it: what is on the disk is found again behind a page that is computed anew.
void Planner::Impl::invalidate(PrefixTree::Node& node) {
  cut_back_readers(node);
  drop_below(node);
  for (const Tier tier : {Tier::kDevice, Tier::kHost, Tier::kDisk}) {
    const bool is_there = tier == Tier::kDevice ? node.is_on_device()
                          : tier == Tier::kHost ? node.is_on_host()
                                                : node.disk != DiskCopy::kNone;
    if (is_there) ++stats.invalidations[static_cast<size_t>(tier)];
  }
  pool.invalidate(node.page, node.host_slot, node.key);
  if (node.is_on_device()) tree.set_slot(node, SlotId(-1));
  if (node.is_on_host()) tree.set_host_slot(node, SlotId(-1));
  tree.set_disk(node, DiskCopy::kNone);
  writes.erase(node.disk_write);
  ++stats.invalidated_pages;
  forget(node);
}

void Planner::Impl::cut_back_readers(const PrefixTree::Node& node) {
  const auto page = static_cast<size_t>(node.facts.depth);
  for (SequenceState* sequence : running) {
    if (page < sequence->cached.size() && sequence->cached[page] == &node) cut_back(*sequence, page);
  }
}

void Planner::Impl::cut_back(SequenceState& sequence, size_t page) {
  for (const PlacedPage& open : sequence.open) pool.evict(open);
  sequence.open.clear();
  while (sequence.cached.size() > page) {
    if (sequence.cached.back()->is_in_place()) --sequence.num_in_place;
    tree.release(*sequence.cached.back(), next_number);
    sequence.cached.pop_back();
  }
  sequence.pages.resize(page);
  sequence.in_place_end = std::min(sequence.in_place_end, page);
  sequence.num_computed = paging.tokens_of(static_cast<int64_t>(page));
  sequence.was_preempted = true;  // what it finds from here on was counted
}

}  // namespace lockstep
