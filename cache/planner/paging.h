// How many pages hold the first tokens of a sequence.
#pragma once

#include <algorithm>
#include <cstdint>

namespace lockstep {

/// A page holds page_tokens tokens; but where first pages are split, the first two of a sequence hold its first
/// page_tokens tokens together: keys in one, values in the other.
struct Paging {
  int64_t page_tokens = 64;
  bool splits_first = false;

  int64_t extra() const { return splits_first ? 1 : 0; }
  /// Pages that hold the first `tokens` tokens.
  int64_t pages_for(int64_t tokens) const {
    return tokens <= 0 ? 0 : (tokens + page_tokens - 1) / page_tokens + extra();
  }
  /// Those of them that are full.
  int64_t full_pages(int64_t tokens) const { return tokens < page_tokens ? 0 : tokens / page_tokens + extra(); }
  /// Tokens that the first `pages` pages hold.
  int64_t tokens_of(int64_t pages) const { return std::max<int64_t>(pages - extra(), 0) * page_tokens; }
  /// Whether the page is half of a split one, of no tokens of its own.
  bool is_first_half(int64_t page) const { return splits_first && page == 0; }
  bool is_second_half(int64_t page) const { return splits_first && page == 1; }
};

}  // namespace lockstep
