// Filled pages become codes, or get their summaries: a block takes one page and KV head, a warp four channels of keys
// or four tokens of values at a time, eight lanes each.
//
// Memory: the open page read from memory once and from the L1 cache in some further passes (4 bits try several ranges),
// the codes written once, 16 or 32 neighbouring bytes a store. Bytes are those of the CPU's body (seal_numerics.cuh).
#include "kernels/backends.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/page_summaries.cuh"
#include "kernels/cuda/seal_numerics.cuh"

namespace lockstep::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / 32, kWarpItems = 32 / kSealLanes;

struct SealArguments {
  const int32_t *open_slots, *key_slots, *value_slots;
  const std::byte* open_base;  // of the layer's K block; kFull: where the summary's keys are read
  std::byte* base;             // of the layer's block
  int64_t open_page_bytes, open_head_bytes, open_v_offset, page_bytes, head_bytes;
  int64_t v_offset;  // of a summary: its own
  int32_t page_tokens, head_dim, coded_dims, k_bits, v_bits;
};

/// What a lane works on: one of the warp's four channels (tokens), those whose codes share words.
struct Item {
  int number, lane;
  bool is_first_nibble;  // 4 bits: items 2 and 3 are the upper nibbles of 0 and 1
};
__device__ Item item_of(int group, int bits) {
  const int lane = static_cast<int>(threadIdx.x) % 32, i = lane / kSealLanes;
  const int number = bits == 8 ? group * kWarpItems + i : group / 2 * 8 + i / 2 * 4 + group % 2 * 2 + i % 2;
  return {number, lane % kSealLanes, i < 2};
}

/// Stores a code of `element` into the item's byte of a word of four codes (bytes).
__device__ void store_code(uint8_t* words, const Item& item, int bits, int element, uint32_t code) {
  if (bits == 8) {
    words[element * 4 + item.number % 4] = static_cast<uint8_t>(code);
    return;
  }
  const uint32_t upper = __shfl_xor_sync(0xffffffffU, code, 2 * kSealLanes);
  if (item.is_first_nibble) words[element * 4 + item.number % 4] = static_cast<uint8_t>(code | upper << 4);
}

__device__ void clear_behind(std::byte* block, int64_t used) {
  for (int64_t i = used + threadIdx.x; i < (used + 63) / 64 * 64; i += kThreads) block[i] = std::byte{0};
}

/// Channel `item.number` at token i; 0 beyond the head's dimensions.
template <class T>
struct Channel {
  const T* from;
  bool is_there;
  __device__ float operator()(int token) const { return is_there ? read_finite(from[int64_t{token} * 2]) : 0.0F; }
};
template <class T>
__device__ Channel<T> channel_of(const SealArguments& args, const std::byte* k, int dim) {
  return {reinterpret_cast<const T*>(k) + int64_t{dim / 2} * args.page_tokens * 2 + dim % 2, dim < args.head_dim};
}

template <class T>
__device__ void seal_keys(const SealArguments& args, const std::byte* open, std::byte* block, int bits) {
  const int tokens = args.page_tokens, dims = args.coded_dims;
  const int64_t offsets_at = int64_t{tokens} * dims * bits / 8, scales_at = offsets_at + 2 * dims;
  const int64_t stds_at = scales_at + (bits == 4 ? 2 : 1) * dims;
  auto* const bytes = reinterpret_cast<uint8_t*>(block);
  clear_behind(block, stds_at + dims);
  for (int group = static_cast<int>(threadIdx.x) / 32; group < dims / kWarpItems; group += kWarps) {
    const Item item = item_of(group, bits);
    const Channel<T> x = channel_of<T>(args, open, item.number);
    const KeyScale chosen = bits == 8 ? scale_keys8(item.lane, tokens, x) : scale_keys4(item.lane, tokens, x);
    const float scale = scale_of_code(static_cast<uint8_t>(chosen.scale));
    const Moments moments = moments_of(item.lane, tokens, x);
    if (item.lane == 0) {
      reinterpret_cast<unsigned short*>(bytes + offsets_at)[item.number] = half_within_range(chosen.offset);
      bytes[scales_at + item.number] = static_cast<uint8_t>(chosen.scale);
      const float steps = __fdiv_rn(moments.deviation, scale);
      bytes[stds_at + item.number] = static_cast<uint8_t>(byte_of_float(__fmul_rn(steps, bits == 8 ? 2.0F : 32.0F)));
      if (bits == 4) {
        const float mean = __fmul_rn(__fdiv_rn(__fsub_rn(moments.mean, chosen.offset), scale), 16.0F);
        bytes[scales_at + dims + item.number] = static_cast<uint8_t>(byte_of_float(mean));
      }
    }
    const Coder coder = bits == 8 ? Coder{chosen.offset, __fdiv_rn(1.0F, scale), -127.0F, 127.0F}
                                  : four_bit_coder(chosen.offset, scale);
    uint8_t* const words = bytes + int64_t{item.number / (bits == 8 ? 4 : 8)} * tokens * 4;
    for (int token = item.lane; token < tokens; token += kSealLanes) {
      const int code = static_cast<int>(coder.code(x(token)));
      store_code(words, item, bits, token, static_cast<uint32_t>(bits == 8 ? code + 128 : code));
    }
  }
}

template <class T>
__device__ void seal_values(const SealArguments& args, const std::byte* open, std::byte* block, int bits) {
  const int tokens = args.page_tokens, dims = args.coded_dims;
  const int64_t scales_at = int64_t{tokens} * dims * bits / 8, lows_at = scales_at + 2 * tokens;
  auto* const bytes = reinterpret_cast<uint8_t*>(block);
  clear_behind(block, bits == 8 ? lows_at : lows_at + 2 * tokens);
  for (int group = static_cast<int>(threadIdx.x) / 32; group < tokens / kWarpItems; group += kWarps) {
    const Item item = item_of(group, bits);
    const T* const row = reinterpret_cast<const T*>(open) + int64_t{item.number} * args.head_dim;
    // Beyond the head's dimensions the first one again: it widens no range.
    const auto x = [&](int dim) { return read_finite(row[dim < args.head_dim ? dim : 0]); };
    const ValueScale chosen = bits == 8 ? scale_values8(item.lane, dims, x) : scale_values4(item.lane, dims, x);
    if (item.lane == 0) {
      reinterpret_cast<unsigned short*>(bytes + scales_at)[item.number] = chosen.scale;
      if (bits == 4) reinterpret_cast<unsigned short*>(bytes + lows_at)[item.number] = chosen.low;
    }
    const float scale = half_value(chosen.scale);
    const Coder coder = bits == 8 ? Coder{0.0F, inverse_of_scale(scale), -127.0F, 127.0F}
                                  : four_bit_coder(half_value(chosen.low), scale);
    uint8_t* const words = bytes + int64_t{item.number / (bits == 8 ? 4 : 8)} * dims * 4;
    for (int dim = item.lane; dim < dims; dim += kSealLanes) {
      const int code = dim < args.head_dim ? static_cast<int>(coder.code(x(dim))) : 0;
      store_code(words, item, bits, dim, static_cast<uint32_t>(code));
    }
  }
}

/// Grid: pages, KV heads.
template <class T>
__global__ void __launch_bounds__(kThreads) seal_kernel(SealArguments args) {
  const int32_t open_slot = args.open_slots[blockIdx.x];
  if (open_slot < 0) return;
  const int64_t head = blockIdx.y;
  const std::byte* const k = args.open_base + open_slot * args.open_page_bytes + head * args.open_head_bytes;
  const std::byte* const v = k + args.open_v_offset;
  const int32_t key_slot = args.key_slots[blockIdx.x], value_slot = args.value_slots[blockIdx.x];
  std::byte* const keys = args.base + key_slot * args.page_bytes + head * args.head_bytes;
  if (key_slot == value_slot) {
    seal_keys<T>(args, k, keys, args.k_bits);
    seal_values<T>(args, v, keys + args.v_offset, args.v_bits);
  } else {  // a first page of 8 bits
    seal_keys<T>(args, k, keys, 8);
    seal_values<T>(args, v, args.base + value_slot * args.page_bytes + head * args.head_bytes, 8);
  }
}

/// The same grid; a thread takes a channel.
template <class T>
__global__ void __launch_bounds__(kThreads) summary_kernel(SealArguments args) {
  const int32_t slot = args.key_slots[blockIdx.x];
  if (slot < 0) return;
  std::byte* const k = args.base + slot * args.page_bytes + int64_t{blockIdx.y} * args.head_bytes;
  auto* const means = reinterpret_cast<unsigned short*>(k + args.v_offset);
  for (int dim = static_cast<int>(threadIdx.x); dim < args.coded_dims; dim += kThreads) {
    const Channel<T> x = channel_of<T>(args, k, dim);
    const auto count = static_cast<double>(args.page_tokens);
    double sum = 0.0, squares = 0.0;
    for (int token = 0; token < args.page_tokens; ++token) sum = __dadd_rn(sum, static_cast<double>(x(token)));
    const double mean = __ddiv_rn(sum, count);
    for (int token = 0; token < args.page_tokens; ++token) {
      const double distance = __dsub_rn(static_cast<double>(x(token)), mean);
      squares = __dadd_rn(squares, __dmul_rn(distance, distance));
    }
    means[dim] = half_within_range(__double2float_rn(mean));
    means[args.coded_dims + dim] = half_within_range(__double2float_rn(__dsqrt_rn(__ddiv_rn(squares, count))));
  }
}

/// What was sealed, as summaries_kernel() takes it.
struct FilledList {
  const int32_t *key_slots, *value_slots;  // value_slots: null for kFull
  __device__ IndexedPage page(int i) const {
    return {key_slots[i], value_slots != nullptr && key_slots[i] != value_slots[i]};
  }
};

}  // namespace

void seal_pages(const OpContext& context, const FilledPages& filled, int64_t layer, const KvPages& pages) {
  const KvLayout &layout = pages.layout, open = pages.open_layout();
  const bool is_coded = layout.is_coded();
  SealArguments args{};
  args.open_slots = filled.open_slots;
  args.key_slots = filled.key_slots;
  args.value_slots = filled.value_slots;
  args.base = pages.base + layout.k_block(0, layer);
  args.page_bytes = layout.page_bytes();
  args.head_bytes = layout.head_bytes();
  args.v_offset = is_coded ? layout.k_bytes(layer) : layout.k_bytes(layer) + layout.v_bytes();
  args.page_tokens = static_cast<int32_t>(layout.page_tokens);
  args.head_dim = static_cast<int32_t>(layout.head_dim);
  args.coded_dims = static_cast<int32_t>(layout.coded_head_dim());
  if (is_coded) {
    args.open_base = pages.open_base + open.k_block(0, layer);
    args.open_page_bytes = open.page_bytes();
    args.open_head_bytes = open.head_bytes();
    args.open_v_offset = open.k_bytes(layer);
    args.k_bits = static_cast<int32_t>(layout.k_bits(layer));
    args.v_bits = static_cast<int32_t>(layout.v_bits());
  }
  const dim3 grid(static_cast<unsigned>(filled.count), static_cast<unsigned>(layout.num_kv_heads));
  visit_floating(layout.dtype, [&]<class Page>() {
    using T = DeviceTypeOf<Page>;
    launch(context, grid, kThreads, 0, is_coded ? seal_kernel<T> : summary_kernel<T>, args);
  });
  if (pages.summaries == nullptr) return;
  launch(context, grid, kSummaryThreads, 0, summaries_kernel<FilledList>, summary_arguments(pages, layer),
         FilledList{filled.key_slots, is_coded ? filled.value_slots : nullptr});
}

}  // namespace lockstep::cuda
