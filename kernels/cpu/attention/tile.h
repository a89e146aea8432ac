// The unit of attention work: a few neighbouring query tokens of one sequence, all query heads of one KV head.
//
// Invariant: a query's bits do not depend on which tile it is in. Each (query, key) score is one running sum over the
// head's dimensions, each output element one running sum over tokens; a query's visible range inside a page depends on
// positions alone, and keys outside it are never multiplied (their memory may hold anything).
#pragma once

#include "core/cpu_isa.h"
#include "core/dtype.h"

#include <cstddef>
#include <cstdint>

namespace lockstep::cpu {

struct AttentionTile {
  // Queries [num_tokens][group][head_dim]; the first token stands at first_position.
  const float* q = nullptr;
  int64_t q_token_stride = 0;
  int64_t first_position = 0;
  int64_t num_tokens = 0;
  int64_t group = 0;
  int64_t head_dim = 0;

  // Pages: page p of the sequence starts at pages + slots[p] * page_bytes.
  const std::byte* pages = nullptr;
  const int32_t* slots = nullptr;
  int64_t page_bytes = 0, page_tokens = 0;
  int64_t k_block = 0, v_block = 0;  // bytes from the start of a page
  DType page_dtype = DType::kF32;

  float scale = 1.0F;
  int64_t window = 0;  // 0 = all

  void* out = nullptr;  // [num_tokens][group][head_dim]
  int64_t out_token_stride = 0;
  DType out_dtype = DType::kF32;

  std::byte* scratch = nullptr;  // attention_scratch_bytes(), aligned to 64
};

using AttentionTileFn = void(const AttentionTile&);

// BF16 pages: attend_avx512_bf16 rounds queries to BF16 and multiplies pairs by vdpbf16ps; the other levels keep them.
AttentionTileFn attend_scalar, attend_avx2, attend_avx512, attend_avx512_bf16;

/// Enough for every level.
int64_t attention_scratch_bytes(int64_t num_queries, int64_t head_dim, int64_t page_tokens);

}  // namespace lockstep::cpu
