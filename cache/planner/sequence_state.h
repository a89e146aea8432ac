// What the planner knows of one sequence: its tokens, how far they are computed, and the pages that hold them.
//
// Pages in order of position: first `cached` ones (sealed, in the prefix tree, referenced), then `open` ones (private,
// being written). Invariant between plans: every full page that was computed is cached; at most one page is open.
#pragma once

#include "cache/planner/paging.h"
#include "cache/planner/prefix_tree.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lockstep {

struct SequenceState {
  SequenceId id;
  uint64_t place = 0;           // its order among all sequences: the queue's, and who gives way to whom
  std::vector<TokenId> tokens;  // all known ones: the prompt, then what was sampled; perhaps kUnknownToken behind them
  int64_t num_prompt_tokens = 0;
  int64_t max_new_tokens = 0;
  bool needs_full_logits = false;
  bool is_sparse = false;     // tokens behind the prompt attend to selected pages
  Hash128 sparse_key;         // stands for how
  int32_t token_source = -1;  // of an unknown last token: its place among the tokens that the last plan samples
  int64_t num_scored = 0;     // positions [0, num_scored) were scored; those up to score_end are wanted
  int64_t score_end = 0;
  Hash128 root;  // parent key of the first page

  int64_t num_computed = 0;  // tokens whose keys and values are in pages
  std::vector<PrefixTree::Node*> cached;
  std::vector<PlacedPage> open;
  std::vector<PageId> pages;  // cached, then open: the page table of rows
  int64_t num_in_place = 0;   // of `cached`, those that are read on the host
  size_t in_place_end = 0;    // behind pages that may be read there and are; perhaps more follow

  std::vector<Hash128> keys;                   // of the first full pages of `tokens`, as many as were asked for
  int64_t planned_begin = 0, planned_end = 0;  // pages [begin, end) that it is known to read or compute yet
  bool is_loading = false;                     // waits for cached pages on their way from the disk
  bool was_admitted = false;
  bool was_preempted = false;
  int64_t cached_prompt_tokens = 0;

  bool awaits_token() const { return token_source >= 0; }
  int64_t num_known() const { return static_cast<int64_t>(tokens.size()); }
  int64_t num_remaining() const { return num_known() - num_computed; }
  int64_t num_generated() const { return num_known() - num_prompt_tokens; }
  int64_t num_pages() const { return static_cast<int64_t>(pages.size()); }
  /// Most tokens the sequence will ever know.
  int64_t max_tokens() const { return num_prompt_tokens + max_new_tokens; }

  /// Keys of the first `num_full_pages` pages; each is hashed once in the sequence's life.
  std::span<const Hash128> page_keys(int64_t num_full_pages, const Paging& paging);
  void add_open_page(const PlacedPage& page);
  /// Continues behind a page of the tree, which the caller has referenced. Requires that no page is open.
  void add_cached_page(PrefixTree::Node& node, const Paging& paging);
};

}  // namespace lockstep
