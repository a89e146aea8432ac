// The cached pages: sealed pages found by what they hold, shared by reference count, evicted leaf by leaf.
//
// A page's key is the chained hash of its token ids and its parent's key, so that a key stands for the whole prefix.
// Invariants: a page is in the tree only with all pages before it; a referenced page's ancestors are referenced. So
// presence and references along a chain of keys are a prefix each, and what nobody references can be evicted, leaves
// first, down to nothing. Not thread-safe.
#pragma once

#include "cache/planner/page_pool.h"
#include "cache/policy/eviction_policy.h"
#include "core/hash.h"

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace lockstep {

/// Key of the page that holds `tokens` behind the page (or root) with key `parent`.
Hash128 page_key(const Hash128& parent, std::span<const TokenId> tokens);

class PrefixTree {
 public:
  struct Node {
    Hash128 key;
    Node* parent = nullptr;  // nullptr: first page of its chain
    PlacedPage page;
    int64_t num_children = 0;
    int64_t num_references = 0;
    uint64_t last_use = 0;
    uint64_t score = 0;  // of an evictable leaf
  };

  /// `policy` must outlive the tree.
  explicit PrefixTree(const EvictionPolicy& policy) : policy_(policy) {}

  /// nullptr where the page is not cached. Nodes stay where they are until they are evicted.
  Node* find(const Hash128& key);
  /// How many of the chain's first pages are cached. O(log n).
  int64_t num_cached(std::span<const Hash128> chain);
  /// Adds a sealed page, referenced once. `parent` must be referenced, the key new.
  Node& insert(const Hash128& key, Node* parent, const PlacedPage& page);
  void reference(Node& node);
  /// `now` is remembered as the last use when this was the last reference.
  void release(Node& node, uint64_t now);
  /// Removes the evictable leaf that is worth least; nothing when every cached page is referenced.
  std::optional<PlacedPage> evict();
  /// Removes this leaf, which nobody references.
  PlacedPage remove(Node& node);

  /// Single flight: marks a page as being computed in the plan under construction.
  void claim(const Hash128& key) { claims_.insert(key); }
  bool is_claimed(const Hash128& key) const { return claims_.contains(key); }
  void clear_claims() { claims_.clear(); }

  int64_t num_pages() const { return static_cast<int64_t>(nodes_.size()); }
  /// Pages that evict() can return one after the other.
  int64_t num_unreferenced() const { return num_unreferenced_; }
  /// All nodes by page id, and a recount of everything above; throws Error if a count is wrong. For tests.
  std::vector<const Node*> checked_nodes() const;

 private:
  struct WorthLess {
    bool operator()(const Node* a, const Node* b) const {
      return a->score != b->score ? a->score < b->score : a->page.page > b->page.page;
    }
  };
  static bool is_evictable(const Node& node) { return node.num_references == 0 && node.num_children == 0; }
  void offer_if_evictable(Node& node);

  const EvictionPolicy& policy_;
  std::unordered_map<Hash128, Node> nodes_;
  std::set<Node*, WorthLess> leaves_;  // the evictable ones
  std::unordered_set<Hash128> claims_;
  int64_t num_unreferenced_ = 0;
};

}  // namespace lockstep
