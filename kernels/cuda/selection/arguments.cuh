// What the kernels of select_pages() are given: pages' estimates first, a thread block for every list then.
#pragma once

#include "kernels/cuda/attention/arguments.cuh"
#include "kernels/page_ranking.h"
#include "kernels/select_pages.h"

#include <cstdint>

namespace lockstep::cuda {

/// Passed by value. Lengths are read from device memory, so a recorded launch serves later batches too.
struct SelectionArguments {
  const float* q;
  int64_t q_stride;  // elements from token to token
  const int32_t *token_begin, *first_position, *page_begin, *slots, *is_sparse;
  const std::byte* entries;                           // those of the layer and head 0 (kernels/page_summaries.h)
  int64_t entry_bytes, head_entry_bytes, deviations;  // of an entry, all of a head's, and from an entry to its codes
  bool splits_first_page;                             // page 0 has two slots
  int32_t layer, page_tokens, num_kv_heads, head_dim, group;
  float scale;
  int64_t window;
  SparseRule rule;
  SelectionLists lists;
  // Scratch of a list: estimates [group][max_pages], shares [max_pages], keys [max_pages].
  float* estimates;
  unsigned long long* shares;
  uint32_t* keys;
  int32_t max_pages;  // pages of a row, at most

  __device__ int64_t list_of(int64_t row, int64_t head) const { return row * num_kv_heads + head; }
  /// False: the row has no list.
  __device__ bool is_listed(int64_t row, page_ranking::Candidates& candidates) const {
    if (is_sparse == nullptr || is_sparse[row] == 0 || page_begin[row + 1] == page_begin[row]) return false;
    candidates = page_ranking::candidates_of(rule, layer, first_position[row], window, page_tokens);
    return true;
  }
};

}  // namespace lockstep::cuda
