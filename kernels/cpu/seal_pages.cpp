#include "kernels/backends.h"
#include "kernels/cpu/page_summaries.h"
#include "kernels/cpu/seal/sealer.h"

namespace lockstep::cpu {

void seal_pages(const OpContext& context, const FilledPages& filled, int64_t layer, const KvPages& pages) {
  const KvLayout& layout = pages.layout;
  const KvLayout open = pages.open_layout();
  const int64_t heads = layout.num_kv_heads;
  if (layout.is_coded()) {
    for (int64_t i = 0; i < filled.count; ++i) {
      LS_REQUIRE(ShapeError,
                 filled.open_slots[i] < 0 || layout.splits_first_page() || filled.key_slots[i] == filled.value_slots[i],
                 "seal_pages: page {} goes to slots {} and {}, its format keeps it in one", i, filled.key_slots[i],
                 filled.value_slots[i]);
    }
  }
  context.threads->parallel_for(filled.count * heads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t i = task / heads, head = task % heads;
      if (layout.is_coded() && filled.open_slots[i] < 0) continue;
      const auto slot_at = [&](int64_t slot) { return pages.base + slot * layout.page_bytes(); };
      visit_floating(layout.dtype, [&]<class T>() {
        Sealer<T> sealer(layout, open, head, layer);
        if (!layout.is_coded()) {
          std::byte* page = slot_at(filled.key_slots[i]);
          return sealer.summary(page, page + layout.summary_block(head, layer));
        }
        const std::byte* page = pages.open_base + filled.open_slots[i] * open.page_bytes();
        std::byte* keys = slot_at(filled.key_slots[i]);
        std::byte* values = slot_at(filled.value_slots[i]);
        if (keys != values) {  // a first page
          sealer.keys(page, keys + layout.k_block(head, layer), 8);
          return sealer.values(page, values + layout.k_block(head, layer), 8);
        }
        sealer.keys(page, keys + layout.k_block(head, layer), layout.k_bits(layer));
        sealer.values(page, values + layout.v_block(head, layer), layout.v_bits());
      });
      if (pages.summaries == nullptr) continue;
      const bool is_first = layout.is_coded() && filled.key_slots[i] != filled.value_slots[i];
      write_summary(pages, {filled.key_slots[i], is_first}, layer, head);
    }
  });
}

}  // namespace lockstep::cpu
