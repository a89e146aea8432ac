// The order in which known requests share most: depth first over the tree of their prefixes.
#pragma once

#include "core/hash.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace lockstep {

/// What the order depends on.
struct QueuedRequest {
  std::span<const Hash128> keys;  // of its full pages: chained, so that a key stands for the whole prefix
  int64_t num_tokens = 0;         // known ones: what it computes if nothing is shared
  int64_t max_new_tokens = 0;
};

/// Indices of `requests` in the order to run them: requests that share a prefix follow each other, subtrees with more
/// work come earlier, equal ones by index. Trees of one root are one group; where groups differ much in how many tokens
/// they compute per token they generate, they are taken from both ends of that scale in such a mixture that both kinds
/// of work end together, since prompts are bound by arithmetic and generation by memory. O(pages log pages).
std::vector<size_t> reuse_order(std::span<const QueuedRequest> requests, int64_t page_tokens);

}  // namespace lockstep
