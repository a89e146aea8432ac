#include "kernels/backends.h"
#include "kernels/cpu/address.h"

namespace lockstep::cpu {
namespace {

template <class T>
void write_token(const float* k, const float* v, std::byte* page, const KvLayout& layout, int64_t layer,
                 int64_t token) {
  for (int64_t head = 0; head < layout.num_kv_heads; ++head) {
    T* k_block = reinterpret_cast<T*>(page + layout.k_block(head, layer));
    T* v_row = reinterpret_cast<T*>(page + layout.v_block(head, layer)) + layout.v_index(token, 0);
    const float* k_head = k + head * layout.head_dim;
    const float* v_head = v + head * layout.head_dim;
    for (int64_t d = 0; d < layout.head_dim; ++d) k_block[layout.k_index(token, d)] = from_float<T>(k_head[d]);
    if (layout.head_dim % 2 != 0) k_block[layout.k_index(token, layout.head_dim)] = from_float<T>(0.0F);
    for (int64_t d = 0; d < layout.head_dim; ++d) v_row[d] = from_float<T>(v_head[d]);
  }
}

}  // namespace

void write_kv(const OpContext& context, ConstTensorView k, ConstTensorView v, const RaggedRows& rows, int64_t layer,
              const KvPages& pages) {
  const bool coded = pages.layout.is_coded();
  const KvLayout layout = pages.open_layout();  // of plain pages: their own
  std::byte* const base = coded ? pages.open_base : pages.base;
  for (int64_t r = 0; r < rows.num_rows; ++r) {
    const int64_t first_token = rows.token_begin[r], num_tokens = rows.token_begin[r + 1] - first_token;
    // Open pages begin with the one of the first token.
    const int64_t first_page = coded ? rows.first_position[r] / layout.page_tokens : 0;
    const int32_t* slots = coded ? rows.open_slots + rows.open_begin[r] : rows.slots + rows.page_begin[r];
    const int64_t num_pages = first_page + (coded ? rows.open_begin[r + 1] - rows.open_begin[r]
                                                  : rows.page_begin[r + 1] - rows.page_begin[r]);
    LS_REQUIRE(ShapeError, rows.first_position[r] + num_tokens <= num_pages * layout.page_tokens,
               "write_kv: row {} ends at position {}, its {} {}pages hold {}", r, rows.first_position[r] + num_tokens,
               num_pages, coded ? "sealed and open " : "", num_pages * layout.page_tokens);
    // Neighbouring tokens share cache lines of K: 16 pairs of BF16 are one line.
    context.threads->parallel_for(num_tokens, 16, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const int64_t position = rows.first_position[r] + t;
        std::byte* page = base + slots[position / layout.page_tokens - first_page] * layout.page_bytes();
        visit_floating(layout.dtype, [&]<class T>() {
          write_token<T>(float_row_at(k, first_token + t), float_row_at(v, first_token + t), page, layout, layer,
                         position % layout.page_tokens);
        });
      }
    });
  }
}

}  // namespace lockstep::cpu
