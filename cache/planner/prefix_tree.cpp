#include "cache/planner/prefix_tree.h"

#include "core/error.h"

#include <algorithm>
#include <tuple>

namespace lockstep {
namespace {

// Of pages that are worth the same the deeper leaves first, then the younger.
auto tie_break(const PrefixTree::Node& node) { return std::make_tuple(-node.facts.depth, -node.page.page.value()); }

}  // namespace

Hash128 page_key(const Hash128& parent, std::span<const TokenId> tokens) {
  return hash128(std::as_bytes(tokens), parent);
}

bool PrefixTree::DeviceOrder::operator()(const Node* a, const Node* b) const {
  return a->device_score != b->device_score ? a->device_score < b->device_score : tie_break(*a) < tie_break(*b);
}

bool PrefixTree::HostOrder::operator()(const Node* a, const Node* b) const {
  return a->host_score != b->host_score ? a->host_score < b->host_score : tie_break(*a) < tie_break(*b);
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

int64_t PrefixTree::num_on_device(std::span<const Hash128> chain) {
  const auto first_missing = std::partition_point(chain.begin(), chain.end(), [this](const Hash128& key) {
    const Node* node = find(key);
    return node != nullptr && node->is_on_device();
  });
  return first_missing - chain.begin();
}

int64_t PrefixTree::num_referenced(std::span<const Hash128> chain) {
  const auto first_free = std::partition_point(chain.begin(), chain.end(), [this](const Hash128& key) {
    const Node* node = find(key);
    return node != nullptr && node->num_references > 0;
  });
  return first_free - chain.begin();
}

PrefixTree::Node& PrefixTree::add(const Hash128& key, Node* parent, PageId page, uint64_t now) {
  const auto [at, is_new] = nodes_.try_emplace(key);
  LS_CHECK(is_new, "page {} has the key of page {}", page.value(), at->second.page.page.value());
  Node& node = at->second;
  node.key = key;
  node.parent = parent;
  node.page = {page, SlotId(-1)};
  node.facts.page = page;
  node.facts.key = key;
  node.facts.inserted = node.facts.last_use = now;
  if (parent == nullptr) return node;
  node.facts.depth = parent->facts.depth + 1;
  node.next_sibling = parent->first_child;
  if (node.next_sibling != nullptr) node.next_sibling->previous_sibling = &node;
  parent->first_child = &node;
  ++parent->num_children;
  return node;
}

PrefixTree::Node& PrefixTree::insert(const Hash128& key, Node* parent, const PlacedPage& page, uint64_t now,
                                     bool is_output) {
  LS_CHECK(parent == nullptr || parent->num_references > 0, "the parent of page {} is not referenced",
           page.page.value());
  Node& node = add(key, parent, page.page, now);
  node.page = page;
  node.facts.is_output = is_output;
  node.facts.num_uses = 1;
  node.num_references = 1;
  add_carrying_child(parent, 1);
  policy_.inserted(node.facts);
  return node;
}

PrefixTree::Node& PrefixTree::insert_stored(const Hash128& key, Node* parent, PageId page, uint64_t now) {
  Node& node = add(key, parent, page, now);
  set_disk(node, DiskCopy::kStored);
  policy_.inserted(node.facts);
  return node;
}

void PrefixTree::reference(Node& node, uint64_t now) {
  LS_CHECK(node.is_on_device() || node.is_in_place(), "page {} is read, but not on the device", node.page.page.value());
  policy_.used(node.facts, now);
  withdraw(node);
  if (node.num_references == 0) --num_unreferenced_;
  ++node.num_references;
  ++node.facts.num_uses;
  node.facts.last_use = now;
  offer(node);
}

void PrefixTree::release(Node& node, uint64_t now) {
  LS_CHECK(node.num_references > 0, "page {} is released more often than referenced", node.page.page.value());
  if (node.num_references > 1) {
    --node.num_references;
    return;
  }
  withdraw(node);
  node.num_references = 0;
  node.facts.last_use = now;
  if (node.is_on_device()) ++num_unreferenced_;
  offer(node);
  if (!node.is_on_device()) add_in_place(node, -1);
}

void PrefixTree::set_slot(Node& node, SlotId slot) {
  const bool was_on_device = node.is_on_device(), is_on_device = slot.value() >= 0;
  const int64_t page = node.page.page.value();
  LS_CHECK(was_on_device != is_on_device, "page {}: slot {} after slot {}", page, slot.value(), node.page.slot.value());
  if (is_on_device) {
    LS_CHECK(node.num_references == 0, "page {} comes to the device while it is read", page);
    LS_CHECK(node.parent == nullptr || node.parent->is_readable(), "the page before page {} is elsewhere", page);
  } else {
    const bool is_host_readable = node.is_on_host() && node.fetch == 0;
    LS_CHECK(is_host_readable || (node.num_references == 0 && node.num_carrying_children == 0),
             "page {} leaves the device with {} references and {} children there, and is not on the host", page,
             node.num_references, node.num_carrying_children);
  }
  withdraw(node);
  const bool carried = node.carries_device_pages();
  node.page.slot = slot;
  const bool carries = node.carries_device_pages();
  if (node.num_references == 0) num_unreferenced_ += is_on_device ? 1 : -1;
  offer(node);
  if (node.is_in_place()) add_in_place(node, 1);
  if (carried != carries) add_carrying_child(node.parent, carries ? 1 : -1);
}

void PrefixTree::add_in_place(Node& node, int64_t change) {
  num_in_place_ += change;
  if (node.parent == nullptr) return;
  withdraw(*node.parent);
  node.parent->num_in_place_children += change;
  offer(*node.parent);
}

// Pages that lie on the host alone pass it on to the page before them.
void PrefixTree::add_carrying_child(Node* parent, int64_t change) {
  for (Node* node = parent; node != nullptr; node = node->parent) {
    withdraw(*node);
    const bool carried = node->carries_device_pages();
    node->num_carrying_children += change;
    offer(*node);
    if (carried == node->carries_device_pages()) return;
  }
}

void PrefixTree::set_page(Node& node, const PlacedPage& page) {
  set_slot(node, page.slot);
  withdraw(node);
  node.page = page;
  node.facts.page = page.page;
  offer(node);
}

void PrefixTree::set_host_slot(Node& node, SlotId slot, bool is_cold) {
  const bool was_on_host = node.is_on_host(), is_on_host = slot.value() >= 0;
  LS_CHECK(was_on_host != is_on_host, "page {}: host slot {} after {}", node.page.page.value(), slot.value(),
           node.host_slot.value());
  withdraw(node);
  if (node.parent != nullptr) withdraw(*node.parent);
  const bool was_cold = node.is_cold;
  node.host_slot = slot;
  node.is_cold = is_cold;
  if (!is_on_host) node.fetch = node.host_fill = 0;
  if (node.parent != nullptr) {
    node.parent->num_host_children += is_on_host ? 1 : -1;
    if (!was_cold && !is_cold) node.parent->num_exact_children += is_on_host ? 1 : -1;
    offer(*node.parent);
  }
  offer(node);
}

void PrefixTree::set_cold(Node& node, SlotId slot) {
  LS_CHECK(node.is_on_host() && !node.is_cold && !is_never_cold(node), "page {} cannot become cold",
           node.page.page.value());
  withdraw(node);
  if (node.parent != nullptr) withdraw(*node.parent);
  node.host_slot = slot;
  node.is_cold = true;
  if (node.parent != nullptr) {
    --node.parent->num_exact_children;
    offer(*node.parent);
  }
  offer(node);
}

void PrefixTree::set_fetch(Node& node, uint64_t transfer) {
  withdraw(node);
  node.fetch = transfer;
  offer(node);
}

void PrefixTree::set_disk(Node& node, DiskCopy copy) {
  num_stored_ += (copy == DiskCopy::kStored ? 1 : 0) - (node.disk == DiskCopy::kStored ? 1 : 0);
  node.disk = copy;
}

void PrefixTree::touch(Node& node, uint64_t now) {
  withdraw(node);
  node.facts.last_use = now;
  offer(node);
}

void PrefixTree::remove(Node& node, uint64_t now) {
  const int64_t page = node.page.page.value();
  LS_CHECK(node.num_references == 0 && node.num_children == 0, "page {} has {} references and {} children", page,
           node.num_references, node.num_children);
  LS_CHECK(!node.is_present(), "page {} is forgotten and has copies", page);
  policy_.evicted(node.facts, now);
  if (node.previous_sibling != nullptr) node.previous_sibling->next_sibling = node.next_sibling;
  if (node.next_sibling != nullptr) node.next_sibling->previous_sibling = node.previous_sibling;
  if (node.parent != nullptr) {
    if (node.parent->first_child == &node) node.parent->first_child = node.next_sibling;
    --node.parent->num_children;
  }
  nodes_.erase(nodes_.find(node.key));
}

PageFacts PrefixTree::facts_of(const Node& node) const {
  PageFacts facts = node.facts;
  facts.next_use = readers_.next_use(node.key);
  return facts;
}

uint64_t PrefixTree::score(const Node& node) const { return policy_.score(facts_of(node)); }

uint64_t PrefixTree::cold_score(const Node& node) const {
  PageFacts facts = facts_of(node);
  facts.is_compressed = true;
  return policy_.score(facts);
}

void PrefixTree::withdraw(Node& node) {
  if (is_device_leaf(node)) device_leaves_.erase(&node);
  if (is_host_leaf(node)) host_leaves_[host_kind(node)].erase(&node);
}

void PrefixTree::offer(Node& node) {
  const bool on_device = is_device_leaf(node), on_host = is_host_leaf(node);
  if (!on_device && !on_host) return;
  if (on_device) {
    node.device_score = score(node);
    device_leaves_.insert(&node);
  }
  if (on_host) {
    node.host_score = node.is_cold ? cold_score(node) : on_device ? node.device_score : score(node);
    host_leaves_[host_kind(node)].insert(&node);
  }
}

void PrefixTree::refresh(const Hash128& key) {
  if (Node* node = find(key)) {
    withdraw(*node);
    offer(*node);
  }
}

void PrefixTree::refresh_all() {
  const std::vector<Node*> device(device_leaves_.begin(), device_leaves_.end());
  std::vector<Node*> host;
  for (auto& leaves : host_leaves_) {
    host.insert(host.end(), leaves.begin(), leaves.end());
    leaves.clear();
  }
  device_leaves_.clear();
  for (Node* node : device) offer(*node);
  for (Node* node : host) {
    if (!is_device_leaf(*node)) offer(*node);
  }
}

PrefixTree::Node* PrefixTree::victim(HostKind kind, Below below) const {
  const auto is_above = [](const Node* node, const Node* at) {
    while (at != nullptr && at->facts.depth > node->facts.depth) at = at->parent;
    return at == node;
  };
  for (Node* node : host_leaves_[kind]) {
    const bool is_free = node->is_on_device() ||
                         std::none_of(below.begin(), below.end(), [&](const Node* at) { return is_above(node, at); });
    if (is_free) return node;
  }
  return nullptr;
}

// Once a leaf has left, the page before it is one: a chain is followed up as long as nothing else hangs from it.
std::vector<PrefixTree::Node*> PrefixTree::next_device_victims(int64_t count) const {
  std::vector<Node*> victims;
  for (Node* leaf : device_leaves_) {
    for (Node* node = leaf; node != nullptr && node->num_references == 0; node = node->parent) {
      if (node != leaf && node->num_carrying_children > 1) break;
      if (!node->is_on_device()) continue;
      if (static_cast<int64_t>(victims.size()) >= count) return victims;
      victims.push_back(node);
    }
  }
  return victims;
}

std::vector<PrefixTree::Node*> PrefixTree::nodes() {
  std::vector<Node*> nodes;
  for (auto& [key, node] : nodes_) nodes.push_back(&node);
  std::sort(nodes.begin(), nodes.end(), [](const Node* a, const Node* b) { return a->page.page < b->page.page; });
  return nodes;
}

}  // namespace lockstep
