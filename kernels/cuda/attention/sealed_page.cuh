// Pages of coded formats as attention reads them: where a page's blocks lie, and what a code stands for. A code is
// decoded in F32 with one rounding: fma(scale, code, offset).
#pragma once

#include "kernels/cuda/attention/walk.cuh"
#include "kernels/kv_codes.h"

namespace lockstep::cuda {

/// Blocks of one page and KV head. Bits 0: the model's dtype, an open page.
struct PageBlocks {
  const std::byte *k, *v;
  int32_t k_bits, v_bits;
};

/// Of the walk's page number `step`. `is_own`: that of the query, which it reads as it was written.
__device__ inline PageBlocks blocks_of_page(const AttentionArguments& args, const RowBounds& row, const Walk& walk,
                                            int32_t kv_head, int32_t step, bool is_own) {
  const CodedArguments& coded = args.coded;
  const int32_t page = walk.page_at(step);
  if (is_own) {
    const std::byte* const k =
        coded.open_base + row.open_slots[page] * coded.open_page_bytes + kv_head * coded.open_head_bytes;
    return {k, k + coded.open_v_offset, 0, 0};
  }
  const bool splits = coded.splits_first_page;
  const std::byte* const k =
      args.places.block_of(walk.slot_at(row.slots, step, page + (splits && page > 0 ? 1 : 0)), kv_head);
  if (splits && page == 0) return {k, args.places.block_of(row.slots[1], kv_head), 8, 8};
  return {k, k + args.v_offset, coded.k_bits, coded.v_bits};
}

/// Bytes of a block's codes, behind which the offsets of keys and the scales of values begin; and where the scales of
/// keys and the lows of values do.
__device__ inline int64_t code_bytes(const AttentionArguments& args, int32_t bits) {
  return int64_t{args.page_tokens} * args.coded.dims * bits / 8;
}
__device__ inline int64_t key_scales(const AttentionArguments& args, int32_t bits) {
  return code_bytes(args, bits) + 2 * args.coded.dims;
}
__device__ inline int64_t value_lows(const AttentionArguments& args, int32_t bits) {
  return code_bytes(args, bits) + 2 * args.page_tokens;
}

inline constexpr uint32_t kNibbles = 0x0f0f0f0fU;
inline constexpr uint32_t kSignBits = 0x80808080U;  // exchanged, a signed byte is an unsigned one with bias 128

/// Byte `index` of a word, less `bias`; exact.
__device__ __forceinline__ float byte_of(uint32_t word, int index, float bias) {
  constexpr uint32_t kTwoTo23 = 0x4b000000U;
  const float shifted = __uint_as_float(__byte_perm(word, kTwoTo23, 0x7440U | static_cast<uint32_t>(index)));
  return __fsub_rn(shifted, 8388608.0F + bias);
}
inline constexpr float kBias = 128.0F;  // of codes of 8 bits

__device__ __forceinline__ float decode(float scale, float code, float offset) {
  return __fmaf_rn(scale, code, offset);
}

}  // namespace lockstep::cuda
