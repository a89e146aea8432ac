// Which attention kernels run: by page type, head size and page size, never by the batch, as their bits differ.
#include "kernels/backends.h"
#include "kernels/cuda/attention/arguments.cuh"
#include "kernels/cuda/attention/launch.h"

#include <algorithm>
#include <limits>

namespace lockstep::cuda {
namespace {

constexpr int64_t kCopyBytes = 16;  // of one asynchronous copy

bool have_tensor_core_kernels(const KvLayout& layout) {
  const bool is_16_bit = layout.dtype == DType::kBF16 || layout.dtype == DType::kF16;
  const bool is_head =
      layout.head_dim == 64 || layout.head_dim == 96 || layout.head_dim == 128 || layout.head_dim == 256;
  return is_16_bit && is_head && layout.page_tokens % 16 == 0;
}

AttentionArguments arguments_of(ConstTensorView q, const RaggedRows& rows, int64_t layer, const KvPages& pages,
                                float scale, int64_t window, TensorView out, const PageSelection* selection) {
  constexpr double kLog2E = 1.4426950408889634;
  const KvLayout& layout = pages.layout;
  AttentionArguments args{};
  args.q = q.as<float>();
  args.q_stride = q.stride(0);
  args.out = out.data();
  args.out_stride = out.stride(0);
  args.out_dtype = out.dtype();
  args.are_pairs_aligned =
      out.stride(0) % 2 == 0 &&
      reinterpret_cast<uintptr_t>(out.data()) % static_cast<uintptr_t>(2 * size_of(out.dtype())) == 0;
  args.token_begin = rows.token_begin;
  args.first_position = rows.first_position;
  args.page_begin = rows.page_begin;
  args.slots = rows.slots;
  args.token_row = rows.token_row;
  args.num_rows = static_cast<int32_t>(rows.num_rows);
  args.num_tokens = static_cast<int32_t>(rows.num_tokens);
  args.places = places_of_layer(pages, layer);
  args.v_offset = layout.k_bytes(layer);
  args.page_tokens = static_cast<int32_t>(layout.page_tokens);
  args.num_kv_heads = static_cast<int32_t>(layout.num_kv_heads);
  args.group = static_cast<int32_t>(q.size(1) / layout.num_kv_heads);
  args.head_dim = static_cast<int32_t>(layout.head_dim);
  args.window = static_cast<int32_t>(std::min<int64_t>(window, std::numeric_limits<int32_t>::max()));
  args.scale_log2 = static_cast<float>(static_cast<double>(scale) * kLog2E);
  if (layout.is_coded()) {
    const KvLayout open = pages.open_layout();
    args.coded.k_bits = static_cast<int32_t>(layout.k_bits(layer));
    args.coded.v_bits = static_cast<int32_t>(layout.v_bits());
    args.coded.dims = static_cast<int32_t>(layout.coded_head_dim());
    args.coded.splits_first_page = layout.splits_first_page();
    args.coded.open_begin = rows.open_begin;
    args.coded.open_slots = rows.open_slots;
    args.coded.open_base = pages.open_base + open.k_block(0, layer);
    args.coded.open_page_bytes = open.page_bytes();
    args.coded.open_head_bytes = open.head_bytes();
    args.coded.open_v_offset = open.k_bytes(layer);
  }
  if (selection != nullptr) {
    args.selected_pages = selection->pages;
    args.selected_counts = selection->counts;
    args.selected_slots = selection->slots;
    args.selected_capacity = selection->capacity;
  }
  return args;
}

void check_aligned(const std::byte* base) {
  LS_CHECK(reinterpret_cast<uintptr_t>(base) % kCopyBytes == 0,
           "paged_attention: pages start at {}, expected a multiple of {} bytes", static_cast<const void*>(base),
           kCopyBytes);
}

}  // namespace

void paged_attention(const OpContext& context, ConstTensorView q, const RaggedRows& rows, int64_t layer,
                     const KvPages& pages, float scale, int64_t window, TensorView out,
                     const PageSelection* selection) {
  if (rows.num_tokens == 0) return;
  const KvLayout& layout = pages.layout;
  const AttentionArguments args = arguments_of(q, rows, layer, pages, scale, window, out, selection);
  if (!have_tensor_core_kernels(layout)) return generic_attention(context, args, layout.dtype);
  check_aligned(pages.base);
  check_aligned(pages.host_base);
  LS_CHECK((pages.host_slot_bytes | pages.host_head_stride) % kCopyBytes == 0,
           "paged_attention: host slots of {} bytes, heads {} apart; both must be multiples of {}",
           pages.host_slot_bytes, pages.host_head_stride, kCopyBytes);
  if (layout.is_coded()) check_aligned(pages.open_base);
  const bool is_bf16 = layout.dtype == DType::kBF16, is_coded = layout.is_coded();
  if (rows.num_single_rows < rows.num_rows) {
    AttentionLaunch* const full = is_bf16 ? prefill_attention_bf16 : prefill_attention_f16;
    AttentionLaunch* const sealed = is_bf16 ? sealed_prefill_attention_bf16 : sealed_prefill_attention_f16;
    (is_coded ? sealed : full)(context, args, rows.max_end);
  }
  if (rows.num_single_rows > 0) {
    AttentionLaunch* const full = is_bf16 ? decode_attention_bf16 : decode_attention_f16;
    AttentionLaunch* const sealed = is_bf16 ? sealed_decode_attention_bf16 : sealed_decode_attention_f16;
    (is_coded ? sealed : full)(context, args, rows.max_end);
  }
}

}  // namespace lockstep::cuda
