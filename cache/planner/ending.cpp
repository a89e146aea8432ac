// Plans without rows, in the end: those that persist pages, and the one that no other follows.
//
// Nobody confirms copies of these plans. Copies for a plan that was not made in the end may still be among their ops;
// nothing may be built on them.
#include "cache/planner/impl.h"

#include <algorithm>

namespace lockstep {

StepPlan Planner::Impl::plan_without_rows() {
  StepPlan plan;
  plan.number = next_number++;
  plan.digest_before = pool.digest();
  plan.ops = pool.take_ops();
  return plan;
}

StepPlan Planner::Impl::last_plan() {
  give_up_unconfirmed();
  StepPlan plan = plan_without_rows();
  plan.last = true;
  update_gauges();
  return plan;
}

std::optional<StepPlan> Planner::Impl::persist_plan(int64_t max_pages) {
  give_up_unconfirmed();
  if (!disk.takes_pages() || stats.off[static_cast<size_t>(Tier::kDisk)] || !config.share_prefixes) return std::nullopt;
  std::vector<PrefixTree::Node*> nodes = tree.nodes();
  std::stable_sort(nodes.begin(), nodes.end(),
                   [](const auto* a, const auto* b) { return a->facts.depth < b->facts.depth; });
  int64_t left = max_pages;
  for (PrefixTree::Node* node : nodes) {
    if (node->disk != DiskCopy::kNone || node->facts.is_output || node->fetch != 0) continue;
    if (node->is_cold || (has_cold() && node->parent != nullptr && node->parent->disk == DiskCopy::kNone)) continue;
    if (left == 0 || !disk.has_room()) break;
    if (persist(*node)) --left;  // else no host slot can be spared now: others are in the host already
  }
  if (left == max_pages) return std::nullopt;
  return plan_without_rows();
}

// Only a copy that is elsewhere too gives way: nothing is lost by persisting.
bool Planner::Impl::persist(PrefixTree::Node& node) {
  if (!node.is_on_host()) {
    for (PrefixTree::Node* spare : {tree.host_victim(), tree.first_victim()}) {
      if (pool.host().num_free() > 0) break;
      if (spare != nullptr && (spare->is_on_device() || spare->disk != DiskCopy::kNone)) leave_host(*spare);
    }
    if (pool.host().num_free() == 0 || !demote(node, /*is_leaving=*/true)) return false;
  }
  return store(node, /*may_reclaim=*/false);
}

// What was to be promoted leaves the device again, the deepest first. What went to the host to be read there is read by
// nobody then: a copy that fails is reported and dealt with like any other.
void Planner::Impl::give_up_unconfirmed() {
  for (const auto* list : {&promoted, &offloaded}) {
    for (const PrefixTree::Node* node : *list) {
      if (node != nullptr) cut_back_readers(*node);
    }
  }
  for (size_t i = promoted.size(); i-- > 0;) {
    PrefixTree::Node* node = promoted[i];
    if (node == nullptr || !node->is_on_device()) continue;
    node->is_on_host() ? leave_device(*node) : drop(*node);
  }
  promoted.clear();
  offloaded.clear();
}

}  // namespace lockstep
