// Attention for every page and head size on ordinary cores: one warp a query, the tensor-core kernels' fallback.
//
// The warp walks the keys in blocks of 32 positions, counted from position 0: a lane takes a key for the scores (a
// chain of fused additions over ascending dimensions) and dimensions for the values (a chain over ascending keys that
// the query sees). Queries, weights and sums are F32. So the bits depend on the query, what it sees and where that
// begins. Codes are decoded to F32 where they are used. Memory: a query reads its keys and values once, from caches
// that its neighbours fill. FLOPs: 4 · head_dim a key.
#include "kernels/cuda/attention/arguments.cuh"
#include "kernels/cuda/attention/launch.h"
#include "kernels/cuda/attention/numerics.cuh"
#include "kernels/cuda/attention/sealed_page.cuh"
#include "kernels/cuda/attention/shared_limit.h"
#include "kernels/cuda/attention/walk.cuh"
#include "kernels/cuda/launch.cuh"

namespace lockstep::cuda {
namespace {

constexpr int kWarps = kAttentionThreads / kWarpLanes;

/// A token's values: elements of the page type, or codes.
struct ValueRow {
  const std::byte* first;  // dimension 0: the element, or the byte with its code
  float scale, low;
  int32_t bits;   // 0: elements
  int32_t shift;  // of a code within its byte
};

/// A warp's shared memory, followed by q and O [head_dim] each.
struct WarpMemory {
  ValueRow values[kWarpLanes];  // of the block's keys
  float weights[kWarpLanes];
  __host__ __device__ static int64_t bytes(int64_t head_dim) {
    return static_cast<int64_t>(sizeof(WarpMemory)) + (head_dim + 1) / 2 * 2 * 2 * static_cast<int64_t>(sizeof(float));
  }
  __device__ float* query() { return reinterpret_cast<float*>(this + 1); }
};

__device__ float warp_maximum(float value) {
  for (int distance = 16; distance > 0; distance /= 2) {
    value = fmaxf(value, __shfl_xor_sync(0xffffffffU, value, distance));
  }
  return value;
}
__device__ float warp_sum(float value) {
  for (int distance = 16; distance > 0; distance /= 2) {
    value = __fadd_rn(value, __shfl_xor_sync(0xffffffffU, value, distance));
  }
  return value;
}

/// q · K of one key.
template <class T>
__device__ float dot(const AttentionArguments& args, const float* query, const T* keys, int token) {
  float sum = 0.0F;
  for (int dim = 0; dim < args.head_dim; ++dim) {
    const int64_t at = (int64_t{dim / 2} * args.page_tokens + token) * 2 + dim % 2;
    sum = __fmaf_rn(query[dim], widen(keys[at]), sum);
  }
  return sum;
}

/// q · K of one key of a sealed page, four codes a load.
__device__ float dot_codes(const AttentionArguments& args, const float* query, const PageBlocks& page, int token) {
  const auto* const words = reinterpret_cast<const uint32_t*>(page.k) + token;
  const auto* const offsets = reinterpret_cast<const __half*>(page.k + code_bytes(args, page.k_bits));
  const auto* const scales = reinterpret_cast<const uint8_t*>(page.k + key_scales(args, page.k_bits));
  const bool is_wide = page.k_bits == 8;
  float sum = 0.0F;
  for (int first = 0; first < args.head_dim; first += 4) {
    const uint32_t word = words[int64_t{is_wide ? first / 4 : first / 8} * args.page_tokens];
    const uint32_t codes = is_wide ? word : (first % 8 == 0 ? word : word >> 4) & kNibbles;
    for (int dim = first; dim < min(first + 4, args.head_dim); ++dim) {
      const float code = byte_of(codes, dim - first, is_wide ? kBias : 0.0F);
      sum = __fmaf_rn(query[dim], decode(scale_of_code(scales[dim]), code, widen(offsets[dim])), sum);
    }
  }
  return sum;
}

__device__ ValueRow value_row(const AttentionArguments& args, const PageBlocks& page, int token) {
  const int in_word = page.v_bits == 8 ? 4 : 8, number = token % in_word;
  const auto half_at = [&](int64_t offset) { return widen(reinterpret_cast<const __half*>(page.v + offset)[token]); };
  return {page.v + int64_t{token / in_word} * args.coded.dims * 4 + number % 4, half_at(code_bytes(args, page.v_bits)),
          page.v_bits == 8 ? 0.0F : half_at(value_lows(args, 4)), page.v_bits, number / 4 * 4};
}

template <class T>
__device__ float value_of(const ValueRow& row, int dim) {
  if (row.bits == 0) return widen(reinterpret_cast<const T*>(row.first)[dim]);
  const int code = static_cast<int>(row.first[dim * 4]);
  if (row.bits == 8) return decode(row.scale, static_cast<float>(static_cast<int8_t>(code)), 0.0F);
  return decode(row.scale, static_cast<float>(code >> row.shift & 15), row.low);
}

template <class T, bool kSealed>
__global__ void __launch_bounds__(kAttentionThreads) generic_kernel(AttentionArguments args) {
  const int num_heads = args.num_kv_heads * args.group, warp = static_cast<int>(threadIdx.x) / kWarpLanes;
  const int lane = static_cast<int>(threadIdx.x) % kWarpLanes;
  const int64_t index = int64_t{blockIdx.x} * kWarps + warp;
  if (index >= int64_t{args.num_tokens} * num_heads) return;
  const int token = static_cast<int>(index / num_heads), head = static_cast<int>(index % num_heads);
  const int row_index = args.token_row[token], kv_head = head / args.group;
  const RowBounds row = bounds_of_row(args, row_index);
  const Walk walk = row.num_tokens == 1 ? walk_of_single(args, row, row_index, kv_head)
                                        : walk_all(args, row.first_position + token - row.token_begin);
  const int position = walk.position, from = walk.from;
  const int last = row.is_padding || position < 0 ? -1 : position / kWarpLanes;
  auto& memory = *reinterpret_cast<WarpMemory*>(dynamic_shared<std::byte>() + warp * WarpMemory::bytes(args.head_dim));
  float* const query = memory.query();
  float* const o = query + args.head_dim;
  for (int dim = lane; dim < args.head_dim; dim += kWarpLanes) {
    query[dim] = args.q[token * args.q_stride + int64_t{head} * args.head_dim + dim];
    o[dim] = 0.0F;
  }
  __syncwarp();

  float highest = kHidden, sum = 0.0F;
  for (int block = from / kWarpLanes; block <= last; ++block) {
    const int start = block * kWarpLanes, key = start + lane;
    const bool is_seen = key >= from && key <= position;
    float score = kHidden;
    if (is_seen) {
      const int step = key / args.page_tokens, place = key - step * args.page_tokens;
      const PageBlocks page = [&]() -> PageBlocks {
        if constexpr (kSealed) {
          return blocks_of_page(args, row, walk, kv_head, step, step == position / args.page_tokens);
        }
        const int32_t number = walk.page_at(step);
        const std::byte* const k = args.places.block_of(walk.slot_at(row.slots, step, number), kv_head);
        return {k, k + args.v_offset, 0, 0};
      }();
      float product = 0.0F;
      if (page.k_bits == 0) {
        const int64_t row_bytes = args.head_dim * static_cast<int64_t>(sizeof(T));
        memory.values[lane] = {page.v + place * row_bytes, 0.0F, 0.0F, 0, 0};
        product = dot(args, query, reinterpret_cast<const T*>(page.k), place);
      } else {
        memory.values[lane] = value_row(args, page, place);
        product = dot_codes(args, query, page, place);
      }
      score = __fmul_rn(product, args.scale_log2);
    }
    const SoftmaxStep step = raise_maximum(highest, warp_maximum(score));
    const float weight = is_seen ? weight_of(score, step.reference) : 0.0F;
    memory.weights[lane] = weight;
    sum = __fmaf_rn(sum, step.rescale, warp_sum(weight));
    __syncwarp();
    const int begin = max(from - start, 0), end = min(position - start + 1, kWarpLanes);
    for (int dim = lane; dim < args.head_dim; dim += kWarpLanes) {
      float value = __fmul_rn(o[dim], step.rescale);
      for (int j = begin; j < end; ++j) {
        value = __fmaf_rn(memory.weights[j], value_of<T>(memory.values[j], dim), value);
      }
      o[dim] = value;
    }
    __syncwarp();  // weights and values are written again
  }
  const float inverse = inverse_of(sum);
  for (int dim = lane; dim < args.head_dim; dim += kWarpLanes) {
    store_result(args, token, int64_t{head} * args.head_dim + dim, finish(o[dim], inverse));
  }
}

}  // namespace

void generic_attention(const OpContext& context, const AttentionArguments& args, DType page_dtype) {
  const int64_t shared_bytes = kWarps * WarpMemory::bytes(args.head_dim);
  LS_REQUIRE(ShapeError, shared_bytes <= shared_limit(context),
             "paged_attention: heads of {} dimensions need {} bytes of shared memory, the device has {}", args.head_dim,
             shared_bytes, shared_limit(context));
  const unsigned blocks = div_up(int64_t{args.num_tokens} * args.num_kv_heads * args.group, kWarps);
  visit_floating(page_dtype, [&]<class Page>() {
    using T = DeviceTypeOf<Page>;
    const auto kernel = args.coded.k_bits == 0 ? generic_kernel<T, false> : generic_kernel<T, true>;
    allow_shared(kernel, shared_bytes);
    launch(context, blocks, kAttentionThreads, shared_bytes, kernel, args);
  });
}

}  // namespace lockstep::cuda
