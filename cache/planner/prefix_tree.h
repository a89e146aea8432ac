// The cached pages: sealed pages found by what they hold, shared by reference count, in one or several tiers.
//
// A page's key is the chained hash of its token ids and its parent's key, so that a key stands for the whole prefix.
// Invariants: a page is in the tree only with all pages before it; on the device only with all pages before it on the
// device, or readable on the host; a referenced page and its ancestors are readable and referenced. A referenced page
// that is not on the device is read in place, on the host: only offload (cache/planner/offload.cpp) makes such pages,
// and without it, pages on the device are a prefix of every chain. Presence and references always are one, and what
// nobody references can leave, leaves of a tier first, down to nothing. Only bookkeeping: who gives slots and writes
// plans is cache/planner/tiers.cpp. Not thread-safe.
#pragma once

#include "cache/planner/page_pool.h"
#include "cache/planner/planned_readers.h"
#include "cache/policy/eviction_policy.h"
#include "core/hash.h"

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace lockstep {

/// Key of the page that holds `tokens` behind the page (or root) with key `parent`.
Hash128 page_key(const Hash128& parent, std::span<const TokenId> tokens);

/// What the disk store has of a page.
enum class DiskCopy : uint8_t { kNone, kWriting, kStored };

class PrefixTree {
 public:
  struct Node {
    Hash128 key;
    Node* parent = nullptr;  // nullptr: first page of its chain
    Node *first_child = nullptr, *next_sibling = nullptr, *previous_sibling = nullptr;
    PlacedPage page;  // slot -1: not on the device
    SlotId host_slot{-1};
    DiskCopy disk = DiskCopy::kNone;
    uint64_t fetch = 0;       // the transfer from disk that fills the host slot; 0 = none is under way
    bool is_fresh = false;    // came from the disk and was not read yet
    uint64_t host_fill = 0;   // the transfer from the device that filled the host slot; 0 = none
    uint64_t disk_write = 0;  // the transfer that wrote the disk copy; 0 = an earlier job did
    bool is_cold = false;     // the host slot is a cold one
    int64_t num_children = 0, num_host_children = 0;
    int64_t num_exact_children = 0;     // on the host, and not cold
    int64_t num_carrying_children = 0;  // children that are on the device, or before a page that is
    int64_t num_in_place_children = 0;  // children on the host alone that are read there
    int64_t num_references = 0;
    PageFacts facts;
    uint64_t device_score = 0, host_score = 0;  // of an evictable leaf
    // Marks of walks over the pages of running sequences (cache/planner/offload.cpp): the last ones that came by.
    uint64_t seen_in = 0, read_densely_in = 0;

    bool is_on_device() const { return page.slot.value() >= 0; }
    bool is_on_host() const { return host_slot.value() >= 0; }
    /// On the device, or read on the host.
    bool is_readable() const { return is_on_device() || (is_on_host() && fetch == 0); }
    bool is_in_place() const { return num_references > 0 && !is_on_device(); }
    bool carries_device_pages() const { return is_on_device() || num_carrying_children > 0; }
    bool is_present() const { return is_on_device() || is_on_host() || disk != DiskCopy::kNone; }
  };

  /// `policy` and `readers` must outlive the tree. `num_exact_first`: pages at the beginning of a sequence that are
  /// never cold.
  PrefixTree(EvictionPolicy& policy, const PlannedReaders& readers, int64_t num_exact_first = 0)
      : policy_(policy), readers_(readers), num_exact_first_(num_exact_first) {}

  /// nullptr where the page is not cached. Nodes stay where they are until they are removed.
  Node* find(const Hash128& key);
  /// How many of the chain's first pages are cached, in any tier. O(log n).
  int64_t num_cached(std::span<const Hash128> chain);
  /// A length of the chain at which it ends on the device, or 0: all pages up to there can be read. Without offload how
  /// many of its first pages are on the device. O(log n).
  int64_t num_on_device(std::span<const Hash128> chain);
  /// How many of the chain's first pages are referenced. O(log n).
  int64_t num_referenced(std::span<const Hash128> chain);

  /// Adds a sealed page on the device, referenced once. `parent` must be referenced, the key new. `now`: the clock.
  Node& insert(const Hash128& key, Node* parent, const PlacedPage& page, uint64_t now, bool is_output);
  /// Adds a page that only the disk store has.
  Node& insert_stored(const Hash128& key, Node* parent, PageId page, uint64_t now);
  /// One more reader, of a page on the device or one that is read in place. `now`: the clock; the policy learns of
  /// the use.
  void reference(Node& node, uint64_t now);
  /// `now` is remembered as the last use when this was the last reference.
  void release(Node& node, uint64_t now);

  /// A copy comes to a tier or leaves it. On the device only as the invariants allow. set_slot(node, {-1}): leaves, a
  /// referenced page to be read in place from here on.
  void set_slot(Node& node, SlotId slot);
  void set_page(Node& node, const PlacedPage& page);
  void set_host_slot(Node& node, SlotId slot, bool is_cold = false);
  /// The host copy moves to a cold slot.
  void set_cold(Node& node, SlotId slot);
  void set_fetch(Node& node, uint64_t transfer);
  void set_disk(Node& node, DiskCopy copy);
  /// Counts as used now, though nobody reads it yet.
  void touch(Node& node, uint64_t now);
  /// Forgets the page: it has no children, no references, and no copies any more.
  void remove(Node& node, uint64_t now);

  /// The evictable page of the tier that is worth least; nullptr when there is none.
  Node* device_victim() const { return device_leaves_.empty() ? nullptr : *device_leaves_.begin(); }
  // The same of the host's three kinds of pages. They pass over pages that are not on the device and that one of
  // `below`, as far as they are not null, hangs from.
  using Below = std::initializer_list<const Node*>;
  /// Of those that may shrink; all where there are no cold slots. Only cold pages may hang from it.
  Node* host_victim(Below below = {}) const { return victim(kExact, below); }
  /// Of those that are never cold. Only cold pages may hang from it.
  Node* first_victim(Below below = {}) const { return victim(kFirst, below); }
  /// Of cold ones. No page of the host hangs from it.
  Node* cold_victim(Below below = {}) const { return victim(kCold, below); }
  bool is_never_cold(const Node& node) const { return node.facts.depth < num_exact_first_; }
  /// Up to `count` pages that leave the device next, or nearly so: chains one after the other, from their leaves up.
  std::vector<Node*> next_device_victims(int64_t count) const;
  /// What the page is worth now; cold_score(): in the cold format. They compare with their own kind.
  uint64_t score(const Node& node) const;
  uint64_t cold_score(const Node& node) const;
  /// The page's planned readers changed.
  void refresh(const Hash128& key);
  void refresh_all();

  /// Single flight: marks a page as being computed in the plan under construction.
  void claim(const Hash128& key) { claims_.insert(key); }
  bool is_claimed(const Hash128& key) const { return claims_.contains(key); }
  void clear_claims() { claims_.clear(); }

  /// Pages that the disk has.
  int64_t num_stored() const { return num_stored_; }
  int64_t num_pages() const { return static_cast<int64_t>(nodes_.size()); }
  /// Pages on the device that device_victim() can name one after the other.
  int64_t num_unreferenced() const { return num_unreferenced_; }
  /// Referenced pages that are on the host alone.
  int64_t num_in_place() const { return num_in_place_; }
  /// All nodes by page id, and a recount of everything above; throws Error if a count is wrong. For tests.
  std::vector<const Node*> checked_nodes() const;
  /// All nodes by page id.
  std::vector<Node*> nodes();

 private:
  struct DeviceOrder {
    bool operator()(const Node* a, const Node* b) const;
  };
  struct HostOrder {
    bool operator()(const Node* a, const Node* b) const;
  };
  static bool is_device_leaf(const Node& node) {
    return node.is_on_device() && node.num_references == 0 && node.num_carrying_children == 0;
  }
  enum HostKind : uint8_t { kExact, kFirst, kCold, kNumHostKinds };
  HostKind host_kind(const Node& node) const { return node.is_cold ? kCold : is_never_cold(node) ? kFirst : kExact; }
  static bool is_host_leaf(const Node& node) {
    const bool is_spare = node.is_on_device() || (node.num_references == 0 && node.num_carrying_children == 0);
    const int64_t num_children = node.is_cold ? node.num_host_children : node.num_exact_children;
    return node.is_on_host() && node.fetch == 0 && num_children == node.num_in_place_children && is_spare;
  }
  Node* victim(HostKind kind, Below below) const;
  PageFacts facts_of(const Node& node) const;
  Node& add(const Hash128& key, Node* parent, PageId page, uint64_t now);
  void add_carrying_child(Node* parent, int64_t change);
  void add_in_place(Node& node, int64_t change);
  void withdraw(Node& node);
  void offer(Node& node);

  EvictionPolicy& policy_;
  const PlannedReaders& readers_;
  int64_t num_exact_first_;
  std::unordered_map<Hash128, Node> nodes_;
  std::set<Node*, DeviceOrder> device_leaves_;
  std::array<std::set<Node*, HostOrder>, kNumHostKinds> host_leaves_;
  std::unordered_set<Hash128> claims_;
  int64_t num_unreferenced_ = 0, num_in_place_ = 0, num_stored_ = 0;
};

}  // namespace lockstep
