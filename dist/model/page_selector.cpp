#include "dist/model/page_selector.h"

#include "core/copy.h"
#include "core/error.h"

namespace lockstep {

PageSelector::PageSelector(const OpContext& context, const SparseLayers& rules, const KvLayout& layout,
                           int64_t max_rows, int64_t max_pages)
    : context_(context),
      rules_(rules),
      max_rows_(max_rows),
      capacity_(rules.most_pages(max_pages)),
      pages_(max_rows * layout.num_kv_heads * capacity_ * size_of(DType::kI32), context.device),
      counts_(max_rows * layout.num_kv_heads * size_of(DType::kI32), context.device),
      totals_(static_cast<int64_t>(sizeof(SelectionTotals)), context.device) {
  totals_.fill_zero();
}

PageSelection PageSelector::select(ConstTensorView q, const RaggedRows& rows, int64_t layer, const KvPages& pages,
                                   float scale, int64_t window) {
  LS_CHECK(rows.num_rows <= max_rows_, "a batch of {} rows, there is room for lists of {}", rows.num_rows, max_rows_);
  const SelectionLists lists{capacity_, static_cast<int32_t*>(pages_.data()), static_cast<int32_t*>(counts_.data()),
                             static_cast<SelectionTotals*>(totals_.data())};
  if (hot_ != nullptr) hot_->join();
  select_pages(context_, q, rows, layer, pages, scale, window, rules_.of(layer), lists);
  if (hot_ == nullptr) return lists.view();
  const PageSelection fetched = hot_->fetch(rows, layer, pages, lists.view());
  if (layer + 1 < pages.layout.num_layers && !rules_.is_dense(layer + 1))
    hot_->hint(rows, layer + 1, pages, lists.view());
  return fetched;
}

SelectionTotals PageSelector::totals() const {
  SelectionTotals totals;
  copy_async(*context_.stream, &totals, totals_.data(), totals_.bytes());
  context_.stream->synchronize();
  return totals;
}

}  // namespace lockstep
