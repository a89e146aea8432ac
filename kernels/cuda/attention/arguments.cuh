// What all attention kernels are given, and how they find a query's row and keys in it.
#pragma once

#include "kernels/cuda/element.cuh"
#include "kernels/page_places.h"
#include "kernels/paged_attention.h"

#include <cstddef>
#include <cstdint>

namespace lockstep::cuda {

/// Of coded formats: where the open pages lie, in the model's dtype, and what sealed ones hold.
struct CodedArguments {
  int32_t k_bits, v_bits;  // of sealed pages; 0: the format is not coded
  int32_t dims;            // of codes: head_dim rounded up to 8
  bool splits_first_page;
  const int32_t *open_begin, *open_slots;
  const std::byte* open_base;  // the layer's K block of head 0 in open slot 0
  int64_t open_page_bytes, open_head_bytes, open_v_offset;
};

/// Passed to kernels by value. Lengths are read from device memory, so a recorded launch serves later batches too.
struct AttentionArguments {
  const float* q;
  int64_t q_stride;  // elements from token to token
  void* out;
  int64_t out_stride;
  DType out_dtype;
  bool are_pairs_aligned;  // two neighbouring results may be stored at once
  const int32_t *token_begin, *first_position, *page_begin, *slots, *token_row;
  int32_t num_rows, num_tokens;
  PagePlaces places;
  int64_t v_offset;  // from a K block to its V block
  int32_t page_tokens, num_kv_heads, group, head_dim;
  int32_t window;
  float scale_log2;  // of the softmax's exponents to base 2
  CodedArguments coded;
  // Of a PageSelection; counts is null without one.
  const int32_t *selected_pages, *selected_counts, *selected_slots;
  int64_t selected_capacity;
};

struct RowBounds {
  int32_t token_begin, num_tokens, first_position;
  const int32_t* slots;
  const int32_t* open_slots;  // of the row's first page (coded formats): open_slots[p] is page p's
  bool is_padding;
};

__device__ inline RowBounds bounds_of_row(const AttentionArguments& args, int32_t row) {
  const int32_t begin = args.token_begin[row], pages = args.page_begin[row], position = args.first_position[row];
  const int32_t* const open = args.coded.k_bits == 0
                                  ? nullptr
                                  : args.coded.open_slots + (args.coded.open_begin[row] - position / args.page_tokens);
  return {begin, args.token_begin[row + 1] - begin, position, args.slots + pages,
          open,  args.page_begin[row + 1] == pages};
}

/// The first position that a query at `position` sees.
__device__ inline int32_t first_key(const AttentionArguments& args, int32_t position) {
  return args.window > 0 && position >= args.window ? position - args.window + 1 : 0;
}

/// Rounds to the output's type. `element` is counted from the token's first.
__device__ inline void store_result(const AttentionArguments& args, int64_t token, int64_t element, float value) {
  const int64_t at = token * args.out_stride + element;
  switch (args.out_dtype) {
    case DType::kF32: static_cast<float*>(args.out)[at] = value; break;
    case DType::kF16: narrow(value, static_cast<__half*>(args.out)[at]); break;
    case DType::kBF16: narrow(value, static_cast<__nv_bfloat16*>(args.out)[at]); break;
    case DType::kI32: break;  // refused by paged_attention()
  }
}

/// The same of two neighbours, the first an even element.
__device__ inline void store_results(const AttentionArguments& args, int64_t token, int64_t element, float first,
                                     float second) {
  if (!args.are_pairs_aligned) {
    store_result(args, token, element, first);
    store_result(args, token, element + 1, second);
    return;
  }
  const int64_t pair = (token * args.out_stride + element) / 2;
  switch (args.out_dtype) {
    case DType::kF32: static_cast<float2*>(args.out)[pair] = make_float2(first, second); break;
    case DType::kF16: static_cast<__half2*>(args.out)[pair] = __floats2half2_rn(first, second); break;
    case DType::kBF16: static_cast<__nv_bfloat162*>(args.out)[pair] = __floats2bfloat162_rn(first, second); break;
    case DType::kI32: break;
  }
}

}  // namespace lockstep::cuda
