#include "kernels/backends.h"
#include "kernels/cpu/address.h"
#include "kernels/cpu/attention/scratch.h"
#include "kernels/kv_codes.h"

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

/// Later tokens see more keys: they come first, so that the threads' last pieces are the cheap ones. No tile straddles
/// a multiple of `page_tokens` positions.
std::vector<TokenTile> cut_tiles(const RaggedRows& rows, int64_t group, int64_t page_tokens) {
  const int64_t most = std::max<int64_t>(kTileQueries / group, 1);
  std::vector<TokenTile> tiles;
  for (int64_t r = 0; r < rows.num_rows; ++r) {
    const int64_t first = rows.first_position[r], end = first + rows.token_begin[r + 1] - rows.token_begin[r];
    const size_t row_begin = tiles.size();
    for (int64_t begin = first; begin < end;) {
      const int64_t page_end = begin / page_tokens * page_tokens + page_tokens;
      const int64_t count = std::min({most, end - begin, page_end - begin});
      tiles.push_back({r, begin - first, count});
      begin += count;
    }
    std::reverse(tiles.begin() + static_cast<std::ptrdiff_t>(row_begin), tiles.end());
  }
  return tiles;
}

void check_rows(const RaggedRows& rows, const KvLayout& layout) {
  for (int64_t r = 0; r < rows.num_rows; ++r) {
    const int64_t first = rows.first_position[r], end = first + rows.token_begin[r + 1] - rows.token_begin[r];
    const int64_t num_slots = rows.page_begin[r + 1] - rows.page_begin[r];
    LS_REQUIRE(ShapeError, first >= 0 && layout.slots_for(end) <= num_slots,
               "paged_attention: row {} spans positions [{}, {}), which take {} slots of {} tokens; it has {}", r,
               first, end, layout.slots_for(end), layout.page_tokens, num_slots);
    if (!layout.is_coded()) continue;
    const int64_t open_end = first / layout.page_tokens + rows.open_begin[r + 1] - rows.open_begin[r];
    LS_REQUIRE(ShapeError, end <= open_end * layout.page_tokens,
               "paged_attention: row {} ends at position {}, its open pages at {}", r, end,
               open_end * layout.page_tokens);
  }
}

/// A list ends with the page of the row's own token.
void check_selection(const RaggedRows& rows, const KvLayout& layout, const PageSelection& selection) {
  for (int64_t r = 0; r < rows.num_rows; ++r) {
    for (int64_t head = 0; head < layout.num_kv_heads; ++head) {
      const int64_t list = r * layout.num_kv_heads + head, count = selection.counts[list];
      if (count < 0) continue;
      const int32_t* pages = selection.pages + list * selection.capacity;
      LS_REQUIRE(ShapeError, rows.token_begin[r + 1] - rows.token_begin[r] == 1,
                 "paged_attention: row {} of {} tokens has a list of pages; only rows of one token may", r,
                 rows.token_begin[r + 1] - rows.token_begin[r]);
      LS_REQUIRE(ShapeError, count > 0 && count <= selection.capacity, "paged_attention: a list of {} pages of {}",
                 count, selection.capacity);
      const int64_t own = rows.first_position[r] / layout.page_tokens;
      for (int64_t i = 0; i < count; ++i) {
        LS_REQUIRE(ShapeError,
                   pages[i] > (i == 0 ? -1 : pages[i - 1]) && pages[i] <= own && (i + 1 < count || pages[i] == own),
                   "paged_attention: entry {} of {} of row {}, head {} is page {}: lists ascend and end with the row's "
                   "own, {}",
                   i, count, r, head, pages[i], own);
      }
    }
  }
}

CodedBlock keys_at(const KvLayout& layout, int64_t block, int64_t bits) {
  const KeyCodes at(layout, bits);
  return {block, layout.k_code_bytes(bits), bits, at.scales, at.offsets};
}
CodedBlock values_at(const KvLayout& layout, int64_t block, int64_t bits) {
  const ValueCodes at(layout, bits);
  return {block, layout.v_code_bytes(bits), bits, at.scales, at.lows};
}

CodedPages coded_pages(const KvLayout& layout, int64_t layer) {
  CodedPages coded;
  coded.keys = keys_at(layout, 0, layout.k_bits(layer));
  coded.values = values_at(layout, layout.k_bytes(layer), layout.v_bits());
  coded.splits_first = layout.splits_first_page();
  coded.first_keys = keys_at(layout, 0, 8);
  coded.first_values = values_at(layout, 0, 8);
  return coded;
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

int64_t attention_scratch_bytes(int64_t num_queries, int64_t head_dim, int64_t page_tokens, bool coded) {
  return Scratch(num_queries, head_dim, page_tokens, coded).bytes;
}

void paged_attention(const OpContext& context, ConstTensorView q, const RaggedRows& rows, int64_t layer,
                     const KvPages& pages, float scale, int64_t window, TensorView out,
                     const PageSelection* selection) {
  const KvLayout& layout = pages.layout;
  const bool coded = layout.is_coded();
  const PagePlaces places = places_of_layer(pages, layer);
  const KvLayout full = pages.open_layout();  // of pages in the model's dtype: the open ones, or all
  const int64_t group = q.size(1) / layout.num_kv_heads, head_dim = layout.head_dim;
  check_rows(rows, layout);
  if (selection != nullptr) check_selection(rows, layout, *selection);
  const std::vector<TokenTile> tiles = cut_tiles(rows, group, coded ? layout.page_tokens : INT32_MAX);
  AttentionTileFn* const attend = attend_function(context.isa);
  const int64_t scratch_bytes =
      attention_scratch_bytes(std::max(kTileQueries, group), head_dim, layout.page_tokens, coded);

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
      tile.places = places;
      tile.kv_head = kv_head;
      tile.slots = rows.slots + rows.page_begin[tokens.row];
      tile.page_tokens = layout.page_tokens;
      tile.v_offset = full.k_bytes(layer);
      tile.page_dtype = layout.dtype;
      if (coded) {
        tile.coded = coded_pages(layout, layer);
        const int64_t first_open = rows.first_position[tokens.row] / layout.page_tokens;
        const int32_t open_slot =
            rows.open_slots[rows.open_begin[tokens.row] + tile.first_position / layout.page_tokens - first_open];
        tile.coded.open = pages.open_base + open_slot * full.page_bytes() + full.k_block(kv_head, layer);
      }
      tile.scale = scale;
      tile.window = window;
      const int64_t list = tokens.row * layout.num_kv_heads + kv_head;
      if (selection != nullptr && selection->counts[list] >= 0) {
        tile.selected = selection->pages + list * selection->capacity;
        tile.num_selected = selection->counts[list];
      }
      tile.out = row_at(out, token) + column * size_of(out.dtype());
      tile.out_token_stride = out.stride(0);
      tile.out_dtype = out.dtype();
      tile.scratch = thread_scratch(scratch_bytes);
      attend(tile);
    }
  });
}

}  // namespace lockstep::cpu
