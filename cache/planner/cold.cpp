// How pages of the host shrink: to the cold format rather than out of the tier. What a page is worth decides which keep
// all their bytes, which keep fewer, and which go; cold pages are compared with what a page is worth when it is cold.
//
// Three kinds of pages: first pages that are never cold, others in the canonical format, cold ones. Slots of the
// canonical format serve the first two, cold slots the third. A page that is on the device too leaves its slot instead
// of shrinking: nothing is lost then. One that shrinks within the host is written to the disk before, where there is
// one with room: what comes from there later has all its bits. One that goes from the device to a cold slot at once,
// since no slot of the canonical format can be had, is not: the disk is written from such slots only.
#include "cache/planner/impl.h"

namespace lockstep {
namespace {

// Of equal ones the deeper is worth less.
bool is_less(uint64_t worth, const PrefixTree::Node& node, uint64_t other_worth, const PrefixTree::Node& other) {
  return worth < other_worth || (worth == other_worth && node.facts.depth > other.facts.depth);
}

}  // namespace

bool Planner::Impl::demote_or_shrink(PrefixTree::Node& node) {
  std::optional<PagePool::Copy> copy;
  bool is_cold = false;
  if (pool.host().num_free() > 0 || free_exact_slot(node, /*is_due=*/false)) {
    copy = pool.demote(node.page);
  } else if (!tree.is_never_cold(node) && node.disk == DiskCopy::kNone && free_cold_slot(node, node)) {
    copy = pool.demote_cold(node.page);
    is_cold = true;
    ++stats.transcoded_pages;
  }
  if (!copy) return false;
  tree.set_host_slot(node, copy->slot, is_cold);
  node.host_fill = copy->number;
  copies.emplace(copy->number, node.key);
  ++stats.demoted_pages;
  return true;
}

// A first page is put before all others: what follows it in the host is worth nothing without it. But where nothing
// follows it there, or the disk has it, it is worth what it is worth: pages that nobody reads again do not hold all
// slots of the canonical format for ever.
bool Planner::Impl::free_exact_slot(const PrefixTree::Node& node, bool is_due) {
  const bool is_first = tree.is_never_cold(node);
  const uint64_t worth = tree.score(node);
  const auto gives_way = [&](const PrefixTree::Node* victim) {
    return victim != nullptr && (is_due || is_less(victim->host_score, *victim, worth, node));
  };
  PrefixTree::Node* victim = tree.host_victim({&node});
  if (victim != nullptr && (is_first || gives_way(victim)) && leave_exact_slot(*victim, node, is_due)) return true;
  victim = tree.first_victim({&node});
  if (!gives_way(victim)) return false;
  if (!is_first && !is_due && victim->num_host_children > 0 && !victim->is_on_device()) {
    if (victim->disk == DiskCopy::kNone && !store(*victim, /*may_reclaim=*/true, &node)) return false;
  }
  leave_host(*victim, &node);
  return true;
}

bool Planner::Impl::leave_exact_slot(PrefixTree::Node& node, const PrefixTree::Node& kept, bool is_due) {
  if (!node.is_on_device() && node.disk == DiskCopy::kNone) store(node, /*may_reclaim=*/true, &kept);
  if (!node.is_on_device() && free_cold_slot(node, kept)) {
    shrink(node);
    return true;
  }
  // What hangs from it would go with it.
  if (!node.is_on_device() && node.disk == DiskCopy::kNone && node.num_host_children > 0 && !is_due) return false;
  leave_host(node, &kept);
  return true;
}

bool Planner::Impl::free_cold_slot(const PrefixTree::Node& node, const PrefixTree::Node& kept) {
  if (pool.cold().num_free() > 0) return true;
  PrefixTree::Node* victim = tree.cold_victim({&node, &kept});
  if (victim == nullptr) return false;
  if (!victim->is_on_device() && !is_less(victim->host_score, *victim, tree.cold_score(node), node)) return false;
  drop_host_copy(*victim);
  if (!victim->is_present()) drop(*victim);
  return true;
}

void Planner::Impl::shrink(PrefixTree::Node& node) {
  const auto copy = pool.transcode(node.page.page, node.host_slot);
  tree.set_cold(node, copy->slot);
  node.host_fill = copy->number;
  copies.emplace(copy->number, node.key);
  ++stats.transcoded_pages;
}

}  // namespace lockstep
