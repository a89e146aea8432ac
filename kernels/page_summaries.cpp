#include "kernels/page_summaries.h"

#include "kernels/backends.h"
#include "kernels/check.h"
#include "kernels/cuda_api.h"

namespace lockstep {
namespace {

void check_table(const char* op, const KvPages& pages) {
  const KvLayout& layout = pages.layout;
  LS_REQUIRE(ShapeError, layout.page_tokens > 0 && layout.num_kv_heads > 0 && layout.head_dim > 0,
             "{}: pages of {} tokens, {} heads of {} dimensions", op, layout.page_tokens, layout.num_kv_heads,
             layout.head_dim);
  LS_CHECK(pages.summaries != nullptr, "{}: the pages have no table of summaries", op);
}

void check_entry(const char* op, const KvPages& pages, int64_t entry) {
  LS_REQUIRE(ShapeError, entry >= 0 && entry < pages.num_summaries, "{}: entry {} of {}", op, entry,
             pages.num_summaries);
}

}  // namespace

void index_pages(const OpContext& context, std::span<const IndexedPage> list, int64_t layer, const KvPages& pages) {
  constexpr const char* kOp = "index_pages";
  check_context(kOp, context);
  check_table(kOp, pages);
  const KvLayout& layout = pages.layout;
  LS_REQUIRE(ShapeError, layer >= 0 && layer < layout.num_layers, "{}: layer {} of {}", kOp, layer, layout.num_layers);
  LS_REQUIRE(ShapeError, layout.is_coded() || layout.has_summaries, "{}: the pages have no summaries", kOp);
  for (const IndexedPage& page : list) check_entry(kOp, pages, page.slot);
  if (list.empty()) return;
  switch (context.device.kind) {
    case DeviceKind::kCpu: return cpu::index_pages(context, list, layer, pages);
    case DeviceKind::kCuda: return cuda_kernels().index_pages(context, list, layer, pages);
  }
}

}  // namespace lockstep
