#include "kernels/seal_pages.h"

#include "kernels/backends.h"
#include "kernels/check.h"
#include "kernels/cuda_api.h"

namespace lockstep {

void seal_pages(const OpContext& context, const FilledPages& filled, int64_t layer, const KvPages& pages) {
  constexpr const char* kOp = "seal_pages";
  check_context(kOp, context);
  const KvLayout& layout = pages.layout;
  LS_REQUIRE(ShapeError, filled.count >= 0, "{}: {} pages", kOp, filled.count);
  LS_REQUIRE(ShapeError, layout.page_tokens > 0 && layout.num_kv_heads > 0 && layout.head_dim > 0,
             "{}: pages of {} tokens, {} heads of {} dimensions", kOp, layout.page_tokens, layout.num_kv_heads,
             layout.head_dim);
  LS_REQUIRE(ShapeError, !layout.is_coded() || layout.page_tokens % 16 == 0,
             "{}: coded pages of {} tokens; a multiple of 16 is needed", kOp, layout.page_tokens);
  LS_REQUIRE(ShapeError, layer >= 0 && layer < layout.num_layers, "{}: layer {} of {}", kOp, layer, layout.num_layers);
  if (layout.dtype == DType::kI32) throw_not_floating(layout.dtype);
  if (filled.count == 0 || (!layout.is_coded() && !layout.has_summaries)) return;
  LS_CHECK(filled.key_slots != nullptr && pages.base != nullptr, "{}: {} pages without slots", kOp, filled.count);
  if (layout.is_coded()) {
    LS_CHECK(filled.open_slots != nullptr && filled.value_slots != nullptr && pages.open_base != nullptr,
             "{}: {} coded pages lack their open pages or value slots", kOp, filled.count);
  }
  LS_REQUIRE(ShapeError, pages.summaries == nullptr || pages.num_summaries > 0, "{}: a table of {} summaries", kOp,
             pages.num_summaries);
  switch (context.device.kind) {
    case DeviceKind::kCpu: return cpu::seal_pages(context, filled, layer, pages);
    case DeviceKind::kCuda: return cuda_kernels().seal_pages(context, filled, layer, pages);
  }
}

}  // namespace lockstep
