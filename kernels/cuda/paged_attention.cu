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
                                float scale, int64_t window, TensorView out) {
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
  args.base = pages.base + layout.k_block(0, layer);
  args.page_bytes = layout.page_bytes();
  args.head_bytes = layout.head_bytes();
  args.v_offset = layout.k_bytes();
  args.page_tokens = static_cast<int32_t>(layout.page_tokens);
  args.num_kv_heads = static_cast<int32_t>(layout.num_kv_heads);
  args.group = static_cast<int32_t>(q.size(1) / layout.num_kv_heads);
  args.head_dim = static_cast<int32_t>(layout.head_dim);
  args.window = static_cast<int32_t>(std::min<int64_t>(window, std::numeric_limits<int32_t>::max()));
  args.scale_log2 = static_cast<float>(static_cast<double>(scale) * kLog2E);
  return args;
}

}  // namespace

void paged_attention(const OpContext& context, ConstTensorView q, const RaggedRows& rows, int64_t layer,
                     const KvPages& pages, float scale, int64_t window, TensorView out) {
  if (rows.num_tokens == 0) return;
  const AttentionArguments args = arguments_of(q, rows, layer, pages, scale, window, out);
  if (!have_tensor_core_kernels(pages.layout)) return generic_attention(context, args, pages.layout.dtype);
  LS_CHECK(reinterpret_cast<uintptr_t>(pages.base) % kCopyBytes == 0,
           "paged_attention: pages start at {}, expected a multiple of {} bytes", static_cast<const void*>(pages.base),
           kCopyBytes);
  const bool is_bf16 = pages.layout.dtype == DType::kBF16;
  if (rows.num_single_rows < rows.num_rows) {
    (is_bf16 ? prefill_attention_bf16 : prefill_attention_f16)(context, args, rows.max_end);
  }
  if (rows.num_single_rows > 0) {
    (is_bf16 ? decode_attention_bf16 : decode_attention_f16)(context, args, rows.max_end);
  }
}

}  // namespace lockstep::cuda
