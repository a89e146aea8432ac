#include "kernels/backends.h"
#include "kernels/cpu/address.h"
#include "kernels/cpu/attention/scratch.h"

#include <algorithm>
#include <vector>

namespace lockstep::cpu {
namespace {

/// Queries of a tile: enough to share a page's keys and values, few enough for their state to stay in the L2 cache.
constexpr int64_t kTileQueries = 48;

/// Consecutive query tokens of one row of the batch.
struct TokenTile {
  int64_t row, first_token, num_tokens;
};

/// Later tokens see more keys: they come first, so that the threads' last pieces are the cheap ones.
std::vector<TokenTile> cut_tiles(const RaggedRows& rows, int64_t group) {
  const int64_t tile_tokens = std::max<int64_t>(kTileQueries / group, 1);
  std::vector<TokenTile> tiles;
  for (int64_t r = 0; r < rows.num_rows; ++r) {
    const int64_t num_tokens = rows.token_begin[r + 1] - rows.token_begin[r];
    const int64_t num_tiles = (num_tokens + tile_tokens - 1) / tile_tokens;
    for (int64_t i = num_tiles - 1; i >= 0; --i) {
      tiles.push_back({r, i * tile_tokens, std::min(tile_tokens, num_tokens - i * tile_tokens)});
    }
  }
  return tiles;
}

void check_rows(const RaggedRows& rows, int64_t page_tokens) {
  for (int64_t r = 0; r < rows.num_rows; ++r) {
    const int64_t end = rows.first_position[r] + rows.token_begin[r + 1] - rows.token_begin[r];
    const int64_t held = (rows.page_begin[r + 1] - rows.page_begin[r]) * page_tokens;
    LS_REQUIRE(ShapeError, rows.first_position[r] >= 0 && end <= held,
               "paged_attention: row {} spans positions [{}, {}), its pages hold {}", r, rows.first_position[r], end,
               held);
  }
}

AttentionTileFn* attend_function(CpuIsa isa) {
  switch (isa) {
    case CpuIsa::kScalar: return attend_scalar;
    case CpuIsa::kAvx2: return attend_avx2;
    case CpuIsa::kAvx512: return attend_avx512;
    case CpuIsa::kAvx512Bf16:
    case CpuIsa::kAmx: return attend_avx512_bf16;
  }
  return attend_scalar;
}

/// Working memory of the calling thread, kept between calls: at least `bytes`, aligned to 64.
std::byte* thread_scratch(int64_t bytes) {
  thread_local std::vector<std::byte> block;
  constexpr size_t kAlign = 64;
  if (block.size() < static_cast<size_t>(bytes) + kAlign) block.resize(static_cast<size_t>(bytes) + kAlign);
  const size_t address = reinterpret_cast<size_t>(block.data());
  return block.data() + (kAlign - address % kAlign) % kAlign;
}

}  // namespace

int64_t attention_scratch_bytes(int64_t num_queries, int64_t head_dim, int64_t page_tokens) {
  return Scratch(num_queries, head_dim, page_tokens).bytes;
}

void paged_attention(const OpContext& context, ConstTensorView q, const RaggedRows& rows, int64_t layer,
                     const KvPages& pages, float scale, int64_t window, TensorView out) {
  const KvLayout& layout = pages.layout;
  const int64_t group = q.size(1) / layout.num_kv_heads, head_dim = layout.head_dim;
  check_rows(rows, layout.page_tokens);
  const std::vector<TokenTile> tiles = cut_tiles(rows, group);
  AttentionTileFn* const attend = attend_function(context.isa);
  const int64_t scratch_bytes = attention_scratch_bytes(std::max(kTileQueries, group), head_dim, layout.page_tokens);

  const int64_t num_tasks = static_cast<int64_t>(tiles.size()) * layout.num_kv_heads;
  context.threads->parallel_for(num_tasks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const TokenTile& tokens = tiles[static_cast<size_t>(task / layout.num_kv_heads)];
      const int64_t kv_head = task % layout.num_kv_heads;
      const int64_t token = rows.token_begin[tokens.row] + tokens.first_token;
      const int64_t column = kv_head * group * head_dim;
      AttentionTile tile;
      tile.q = float_row_at(q, token) + column;
      tile.q_token_stride = q.stride(0);
      tile.first_position = rows.first_position[tokens.row] + tokens.first_token;
      tile.num_tokens = tokens.num_tokens;
      tile.group = group;
      tile.head_dim = head_dim;
      tile.pages = pages.base;
      tile.slots = rows.slots + rows.page_begin[tokens.row];
      tile.page_bytes = layout.page_bytes();
      tile.page_tokens = layout.page_tokens;
      tile.k_block = layout.k_block(kv_head, layer);
      tile.v_block = layout.v_block(kv_head, layer);
      tile.page_dtype = layout.dtype;
      tile.scale = scale;
      tile.window = window;
      tile.out = row_at(out, token) + column * size_of(out.dtype());
      tile.out_token_stride = out.stride(0);
      tile.out_dtype = out.dtype();
      tile.scratch = thread_scratch(scratch_bytes);
      attend(tile);
    }
  });
}

}  // namespace lockstep::cpu
