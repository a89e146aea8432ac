#include "cache/planner/prefix_tree.h"

#include "core/error.h"

#include <algorithm>

namespace lockstep {

Hash128 page_key(const Hash128& parent, std::span<const TokenId> tokens) {
  return hash128(std::as_bytes(tokens), parent);
}

PrefixTree::Node* PrefixTree::find(const Hash128& key) {
  const auto at = nodes_.find(key);
  return at == nodes_.end() ? nullptr : &at->second;
}

int64_t PrefixTree::num_cached(std::span<const Hash128> chain) {
  const auto first_missing =
      std::partition_point(chain.begin(), chain.end(), [this](const Hash128& key) { return nodes_.contains(key); });
  return first_missing - chain.begin();
}

PrefixTree::Node& PrefixTree::insert(const Hash128& key, Node* parent, const PlacedPage& page) {
  LS_CHECK(parent == nullptr || parent->num_references > 0, "the parent of page {} is not referenced",
           page.page.value());
  const auto [at, is_new] = nodes_.try_emplace(key);
  LS_CHECK(is_new, "page {} has the key of page {}", page.page.value(), at->second.page.page.value());
  Node& node = at->second;
  node.key = key;
  node.parent = parent;
  node.page = page;
  node.num_references = 1;
  if (parent != nullptr) ++parent->num_children;
  return node;
}

void PrefixTree::reference(Node& node) {
  if (node.num_references == 0) {
    if (is_evictable(node)) leaves_.erase(&node);
    --num_unreferenced_;
  }
  ++node.num_references;
}

void PrefixTree::release(Node& node, uint64_t now) {
  LS_CHECK(node.num_references > 0, "page {} is released more often than referenced", node.page.page.value());
  if (--node.num_references > 0) return;
  node.last_use = now;
  ++num_unreferenced_;
  offer_if_evictable(node);
}

void PrefixTree::offer_if_evictable(Node& node) {
  if (!is_evictable(node)) return;
  node.score = policy_.score({node.page.page, node.last_use});
  leaves_.insert(&node);
}

std::optional<PlacedPage> PrefixTree::evict() {
  if (leaves_.empty()) return std::nullopt;
  return remove(**leaves_.begin());
}

PlacedPage PrefixTree::remove(Node& node) {
  const PlacedPage page = node.page;
  LS_CHECK(is_evictable(node), "page {} has {} references and {} children", page.page.value(), node.num_references,
           node.num_children);
  leaves_.erase(&node);
  --num_unreferenced_;
  Node* parent = node.parent;
  nodes_.erase(nodes_.find(node.key));
  if (parent != nullptr) {
    --parent->num_children;
    offer_if_evictable(*parent);
  }
  return page;
}

std::vector<const PrefixTree::Node*> PrefixTree::checked_nodes() const {
  std::vector<const Node*> nodes;
  std::unordered_map<const Node*, int64_t> num_children;
  int64_t num_unreferenced = 0, num_evictable = 0;
  for (const auto& [key, node] : nodes_) {
    nodes.push_back(&node);
    if (node.parent != nullptr) {
      const auto parent = nodes_.find(node.parent->key);
      LS_CHECK(parent != nodes_.end() && &parent->second == node.parent, "page {}: its parent is not cached",
               node.page.page.value());
      LS_CHECK(node.num_references == 0 || node.parent->num_references > 0, "page {}: its parent is not referenced",
               node.page.page.value());
      ++num_children[node.parent];
    }
    if (node.num_references == 0) ++num_unreferenced;
    if (is_evictable(node)) ++num_evictable;
  }
  std::sort(nodes.begin(), nodes.end(), [](const Node* a, const Node* b) { return a->page.page < b->page.page; });
  for (const Node* node : nodes) {
    LS_CHECK(node->num_children == num_children[node], "page {}: {} children, counted {}", node->page.page.value(),
             num_children[node], node->num_children);
  }
  LS_CHECK(num_unreferenced == num_unreferenced_, "{} pages are unreferenced, counted {}", num_unreferenced,
           num_unreferenced_);
  LS_CHECK(num_evictable == static_cast<int64_t>(leaves_.size()), "{} leaves are evictable, offered {}", num_evictable,
           leaves_.size());
  return nodes;
}

}  // namespace lockstep
