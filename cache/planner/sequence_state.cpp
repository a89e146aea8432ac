#include "cache/planner/sequence_state.h"

#include "core/error.h"

namespace lockstep {

std::span<const Hash128> SequenceState::page_keys(int64_t num_full_pages, int64_t page_tokens) {
  const auto count = static_cast<size_t>(num_full_pages), size = static_cast<size_t>(page_tokens);
  LS_CHECK(count * size <= tokens.size(), "sequence {}: {} pages are not full yet", id.value(), num_full_pages);
  while (keys.size() < count) {
    const Hash128& parent = keys.empty() ? root : keys.back();
    keys.push_back(page_key(parent, std::span<const TokenId>(tokens).subspan(keys.size() * size, size)));
  }
  return std::span<const Hash128>(keys).first(count);
}

void SequenceState::add_open_page(const PlacedPage& page) {
  open.push_back(page);
  pages.push_back(page.page);
}

void SequenceState::add_cached_page(PrefixTree::Node& node, int64_t page_tokens) {
  LS_CHECK(open.empty() && num_computed == num_pages() * page_tokens, "sequence {} is within a page", id.value());
  cached.push_back(&node);
  pages.push_back(node.page.page);
  num_computed += page_tokens;
}

}  // namespace lockstep
