// The unit of attention work: a few neighbouring query tokens of one sequence, all query heads of one KV head.
//
// Invariant: a query's bits do not depend on which tile it is in. Each (query, key) score is one running sum over the
// head's dimensions, each output element one running sum over tokens; a query's visible range inside a page depends on
// positions alone, and keys outside it are never multiplied (their memory may hold anything).
#pragma once

#include "core/cpu_isa.h"
#include "core/dtype.h"
#include "kernels/page_places.h"

#include <cstddef>
#include <cstdint>

namespace lockstep::cpu {

/// A coded K or V block: where it lies and where its parts lie in it (kernels/kv_codes.h).
struct CodedBlock {
  int64_t block = 0;  // bytes from the K block of the slot
  int64_t bytes = 0;
  int64_t bits = 0;
  int64_t scales = 0;   // bytes from the start of the block
  int64_t offsets = 0;  // keys: offsets; values of 4 bits: lows
};

/// Sealed pages of a coded layout.
struct CodedPages {
  const std::byte* open = nullptr;  // K block of the open page that all tokens of the tile stand in; null: not coded
  CodedBlock keys, values;
  bool splits_first = false;  // page 0: keys in slots[0], values in slots[1], as these two say; page p: slots[p + 1]
  CodedBlock first_keys, first_values;
};

struct AttentionTile {
  // Queries [num_tokens][group][head_dim]; the first token stands at first_position.
  const float* q = nullptr;
  int64_t q_token_stride = 0;
  int64_t first_position = 0;
  int64_t num_tokens = 0;
  int64_t group = 0;
  int64_t head_dim = 0;

  // Page p of the sequence lies at places.block_of(slots[p], kv_head), in page_dtype. With coded pages, only the one
  // that all tokens of the tile stand in has that type, and lies at coded.open.
  PagePlaces places{};
  int64_t kv_head = 0;
  const int32_t* slots = nullptr;
  CodedPages coded;
  int64_t page_tokens = 0;
  int64_t v_offset = 0;  // of page_dtype: bytes from a K block to its V block
  DType page_dtype = DType::kF32;

  float scale = 1.0F;
  int64_t window = 0;                 // 0 = all
  const int32_t* selected = nullptr;  // pages to walk, ascending; null: all. For tiles of one token
  int64_t num_selected = 0;

  void* out = nullptr;  // [num_tokens][group][head_dim]
  int64_t out_token_stride = 0;
  DType out_dtype = DType::kF32;

  std::byte* scratch = nullptr;  // attention_scratch_bytes(), aligned to 64
};

using AttentionTileFn = void(const AttentionTile&);

// BF16 pages: attend_avx512_bf16 rounds queries to BF16 and multiplies pairs by vdpbf16ps; the other levels keep them.
AttentionTileFn attend_scalar, attend_avx2, attend_avx512, attend_avx512_bf16;

/// Enough for every level.
int64_t attention_scratch_bytes(int64_t num_queries, int64_t head_dim, int64_t page_tokens, bool coded);

}  // namespace lockstep::cpu
