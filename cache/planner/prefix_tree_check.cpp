// The recount of a prefix tree's books, for tests.
#include "cache/planner/prefix_tree.h"
#include "core/error.h"

#include <algorithm>

namespace lockstep {

std::vector<const PrefixTree::Node*> PrefixTree::checked_nodes() const {
  struct Children {
    int64_t all = 0, carrying = 0, on_host = 0, exact = 0, in_place = 0;
  };
  std::vector<const Node*> nodes;
  std::unordered_map<const Node*, Children> children;
  int64_t num_unreferenced = 0, num_in_place = 0, num_stored = 0, num_device_leaves = 0, num_host_leaves = 0;
  for (const auto& [key, node] : nodes_) {
    const int64_t page = node.page.page.value();
    nodes.push_back(&node);
    LS_CHECK(node.is_present(), "page {} has no copy", page);
    LS_CHECK(node.num_references == 0 || node.is_readable(), "page {} is referenced, but cannot be read", page);
    if (node.parent != nullptr) {
      const auto parent = nodes_.find(node.parent->key);
      LS_CHECK(parent != nodes_.end() && &parent->second == node.parent, "page {}: its parent is not cached", page);
      LS_CHECK(node.num_references == 0 || node.parent->num_references > 0, "page {}: its parent is not referenced",
               page);
      LS_CHECK(!node.carries_device_pages() || node.parent->is_readable(), "page {}: its parent cannot be read", page);
      LS_CHECK(node.facts.depth == node.parent->facts.depth + 1, "page {}: depth {}", page, node.facts.depth);
      Children& counts = children[node.parent];
      ++counts.all;
      if (node.carries_device_pages()) ++counts.carrying;
      if (node.is_on_host()) ++counts.on_host;
      if (node.is_in_place()) ++counts.in_place;
      if (node.is_on_host() && !node.is_cold) ++counts.exact;
    }
    LS_CHECK(!node.is_cold || (node.is_on_host() && !is_never_cold(node)), "page {} is cold", page);
    if (node.is_on_device() && node.num_references == 0) ++num_unreferenced;
    if (node.is_in_place()) ++num_in_place;
    if (node.disk == DiskCopy::kStored) ++num_stored;
    if (is_device_leaf(node)) ++num_device_leaves;
    if (is_host_leaf(node)) ++num_host_leaves;
  }
  std::sort(nodes.begin(), nodes.end(), [](const Node* a, const Node* b) { return a->page.page < b->page.page; });
  for (const Node* node : nodes) {
    const Children& counted = children[node];
    LS_CHECK(node->num_children == counted.all && node->num_carrying_children == counted.carrying &&
                 node->num_host_children == counted.on_host && node->num_exact_children == counted.exact,
             "page {}: {} children, {} carrying, {} on the host, {} exact; counted {}, {}, {}, {}",
             node->page.page.value(), node->num_children, node->num_carrying_children, node->num_host_children,
             node->num_exact_children, counted.all, counted.carrying, counted.on_host, counted.exact);
    LS_CHECK(node->num_in_place_children == counted.in_place, "page {}: {} children are read in place, counted {}",
             node->page.page.value(), node->num_in_place_children, counted.in_place);
    int64_t listed = 0;
    for (const Node* child = node->first_child; child != nullptr; child = child->next_sibling) ++listed;
    LS_CHECK(listed == counted.all, "page {}: {} children are listed, {} are there", node->page.page.value(), listed,
             counted.all);
  }
  LS_CHECK(num_unreferenced == num_unreferenced_, "{} pages are unreferenced, counted {}", num_unreferenced,
           num_unreferenced_);
  LS_CHECK(num_in_place == num_in_place_, "{} pages are read in place, counted {}", num_in_place, num_in_place_);
  LS_CHECK(num_stored == num_stored_, "{} pages are stored, counted {}", num_stored, num_stored_);
  LS_CHECK(num_device_leaves == static_cast<int64_t>(device_leaves_.size()), "{} leaves are evictable, offered {}",
           num_device_leaves, device_leaves_.size());
  size_t num_offered = 0;
  for (const auto& leaves : host_leaves_) num_offered += leaves.size();
  LS_CHECK(num_host_leaves == static_cast<int64_t>(num_offered), "{} host leaves are evictable, offered {}",
           num_host_leaves, num_offered);
  return nodes;
}

}  // namespace lockstep
