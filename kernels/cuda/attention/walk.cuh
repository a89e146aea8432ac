// Which keys a query walks, in which order: all pages of its sequence, or those of a list (PageSelection).
//
// Kernels count positions along the walk: listed page i holds [i, i + 1) * page_tokens. Blocks and spans are cut along
// it too, so that a list of all pages is the walk over all, bit for bit.
#pragma once

#include "kernels/cuda/attention/arguments.cuh"

namespace lockstep::cuda {

struct Walk {
  const int32_t* pages;            // the list; null: all pages
  int32_t from, position;          // what is seen: [from, position] along the walk; position is the query's own
  const int32_t* slots = nullptr;  // of the list's pages, where they differ from what the row's table says
  __device__ int32_t page_at(int32_t step) const { return pages == nullptr ? step : pages[step]; }
  /// Where the page lies whose entry in the row's table is `entry`.
  __device__ int32_t slot_at(const int32_t* table, int32_t step, int32_t entry) const {
    return slots == nullptr ? table[entry] : slots[step];
  }
};

__device__ inline Walk walk_all(const AttentionArguments& args, int32_t position) {
  return {nullptr, first_key(args, position), position};
}

/// Of a row of one token, for one KV head. Nothing is seen, position -1, where the row is padding or its list empty.
__device__ inline Walk walk_of_single(const AttentionArguments& args, const RowBounds& row, int32_t row_index,
                                      int32_t kv_head) {
  Walk walk = walk_all(args, row.first_position);
  if (row.is_padding) return {nullptr, 0, -1};
  if (args.selected_counts == nullptr) return walk;
  const int64_t list = int64_t{row_index} * args.num_kv_heads + kv_head;
  const int32_t count = args.selected_counts[list];
  if (count < 0) return walk;
  walk.pages = args.selected_pages + list * args.selected_capacity;
  if (args.selected_slots != nullptr) walk.slots = args.selected_slots + list * args.selected_capacity;
  if (count == 0) return {walk.pages, 0, -1};
  const int32_t first_page = walk.from / args.page_tokens;
  int32_t step = 0, end = count - 1;  // the first listed page that the window reaches; the last is the query's own
  while (step < end) {
    const int32_t middle = (step + end) / 2;
    if (walk.pages[middle] < first_page) {
      step = middle + 1;
    } else {
      end = middle;
    }
  }
  const int32_t within = walk.pages[step] == first_page ? walk.from % args.page_tokens : 0;
  walk.from = step * args.page_tokens + within;
  walk.position = (count - 1) * args.page_tokens + row.first_position % args.page_tokens;
  return walk;
}

}  // namespace lockstep::cuda
