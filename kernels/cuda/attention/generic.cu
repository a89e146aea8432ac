// Attention for every page and head size on ordinary cores: one warp a query, the tensor-core kernels' fallback.
//
// The warp walks the keys in blocks of 32 positions, counted from position 0: a lane takes a key for the scores (a
// chain of fused additions over ascending dimensions) and dimensions for the values (a chain over ascending keys that
// the query sees). Queries, weights and sums are F32. So the bits depend on the query, what it sees and where that
// begins. Memory: a query reads its keys and values once, from caches that its neighbours fill. FLOPs: 4 · head_dim a
// key.
#include "kernels/cuda/attention/arguments.cuh"
#include "kernels/cuda/attention/launch.h"
#include "kernels/cuda/attention/numerics.cuh"
#include "kernels/cuda/attention/shared_limit.h"
#include "kernels/cuda/launch.cuh"

namespace lockstep::cuda {
namespace {

constexpr int kWarps = kAttentionThreads / kWarpLanes;

/// A warp's shared memory, followed by q and O [head_dim] each.
struct WarpMemory {
  const std::byte* values[kWarpLanes];  // V rows of the block's keys
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

template <class T>
__global__ void __launch_bounds__(kAttentionThreads) generic_kernel(AttentionArguments args) {
  const int num_heads = args.num_kv_heads * args.group, warp = static_cast<int>(threadIdx.x) / kWarpLanes;
  const int lane = static_cast<int>(threadIdx.x) % kWarpLanes;
  const int64_t index = int64_t{blockIdx.x} * kWarps + warp;
  if (index >= int64_t{args.num_tokens} * num_heads) return;
  const int token = static_cast<int>(index / num_heads), head = static_cast<int>(index % num_heads);
  const RowBounds row = bounds_of_row(args, args.token_row[token]);
  const int position = row.first_position + token - row.token_begin;
  const int from = first_key(args, position), last = row.is_padding ? -1 : position / kWarpLanes;
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
      const int page = key / args.page_tokens, place = key - page * args.page_tokens;
      const std::byte* const keys = args.base + row.slots[page] * args.page_bytes + head / args.group * args.head_bytes;
      memory.values[lane] = keys + args.v_offset + int64_t{place} * args.head_dim * static_cast<int64_t>(sizeof(T));
      score = __fmul_rn(dot(args, query, reinterpret_cast<const T*>(keys), place), args.scale_log2);
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
        value = __fmaf_rn(memory.weights[j], widen(reinterpret_cast<const T*>(memory.values[j])[dim]), value);
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
    allow_shared(generic_kernel<T>, shared_bytes);
    launch(context, blocks, kAttentionThreads, shared_bytes, generic_kernel<T>, args);
  });
}

}  // namespace lockstep::cuda
