#include "cache/planner/sequence_state.h"

#include "core/error.h"

namespace lockstep {

// A page that holds tokens computed sparsely can only be found by a sequence whose prompt ends where this one's does.
std::span<const Hash128> SequenceState::page_keys(int64_t num_full_pages, const Paging& paging) {
  const auto count = static_cast<size_t>(num_full_pages);
  LS_CHECK(paging.tokens_of(num_full_pages) <= num_known(), "sequence {}: {} pages are not full yet", id.value(),
           num_full_pages);
  while (keys.size() < count) {
    const auto page = static_cast<int64_t>(keys.size());
    const int64_t first = paging.is_first_half(page) ? 0 : paging.tokens_of(page);
    const int64_t num_tokens = paging.is_second_half(page) ? 0 : paging.page_tokens;
    Hash128 parent = keys.empty() ? root : keys.back();
    if (is_sparse && first + paging.page_tokens > num_prompt_tokens) {
      const Hash128 parts[] = {parent, sparse_key};
      parent = hash128(std::as_bytes(std::span(parts)), Hash128{static_cast<uint64_t>(num_prompt_tokens), 0});
    }
    keys.push_back(page_key(
        parent, std::span<const TokenId>(tokens).subspan(static_cast<size_t>(first), static_cast<size_t>(num_tokens))));
  }
  return std::span<const Hash128>(keys).first(count);
}

void SequenceState::add_open_page(const PlacedPage& page) {
  open.push_back(page);
  pages.push_back(page.page);
}

void SequenceState::add_cached_page(PrefixTree::Node& node, const Paging& paging) {
  LS_CHECK(open.empty() && num_computed == paging.tokens_of(num_pages()), "sequence {} is within a page", id.value());
  cached.push_back(&node);
  pages.push_back(node.page.page);
  if (node.is_in_place()) ++num_in_place;
  num_computed = paging.tokens_of(num_pages());
}

}  // namespace lockstep
