// Rotary embedding and the way of keys and values into their pages: one kernel, of which rope() and write_kv() each use
// a part. A block takes one head of a tile of tokens: a query head is rotated in place, a key head rotated and stored,
// a value head stored.
//
// Memory: q read and written, k and v read once, their pages written once. K lies in pages as [dim / 2][token][dim %
// 2], so there the lanes of a warp take neighbouring tokens, and one store instruction of a prompt writes 32
// neighbouring pairs; each lane reads whole 32-byte sectors. Everything else runs along the dimensions. Rotation: a' =
// fma(a, cos, (0 - b) · sin), b' = fma(b, cos, a · sin), the bits of the CPU's vector levels.
#include "kernels/backends.h"
#include "kernels/cuda/address.cuh"
#include "kernels/cuda/launch.cuh"

namespace lockstep::cuda {
namespace {

constexpr int kWarp = 32, kWarps = 4, kThreads = kWarp * kWarps;
constexpr int kTile = kWarp;  // tokens of a block
constexpr int kChunk = 8;     // dimensions that a lane reads at once: a sector

struct Rotation {
  Rows<const int32_t> positions;
  Rows<const float> cos, sin;
};

/// RaggedRows, and the layer's part of KvPages in bytes. Coded formats: of their open pages.
struct Pages {
  std::byte* base;
  int64_t page_bytes, head_bytes, k_offset, v_offset;
  int32_t page_tokens;
  const int32_t *token_row, *token_begin, *first_position, *page_begin, *slots;
  bool start_at_first_position;  // a row's slots, with the page that its first token lies in; else with page 0
};

struct Work {
  int64_t num_tokens, head_dim, num_query_heads, num_kv_heads;
  Rows<float> q;
  Rows<const float> k, v;
  bool are_v_pages_aligned;
};

struct Place {
  std::byte* page;  // null: the token is not stored
  int32_t token;    // of the page
};

template <class T>
struct alignas(2 * sizeof(T)) Pair {
  T at[2];
};

__device__ Place place_of(const Pages& pages, int64_t token) {
  const int32_t row = pages.token_row[token];
  const int32_t begin = pages.page_begin[row], num_pages = pages.page_begin[row + 1] - begin;
  const int32_t first_position = pages.first_position[row];
  const int32_t position = first_position + static_cast<int32_t>(token) - pages.token_begin[row];
  const int32_t first_page = pages.start_at_first_position ? first_position / pages.page_tokens : 0;
  const int32_t page = position / pages.page_tokens - first_page;
  if (page >= num_pages) return {nullptr, 0};  // padding has no pages
  return {pages.base + pages.slots[begin + page] * pages.page_bytes, position % pages.page_tokens};
}

__device__ void rotate(float& a, float& b, float cos, float sin) {
  const float turned = __fmaf_rn(a, cos, __fmul_rn(__fsub_rn(0.0F, b), sin));
  b = __fmaf_rn(b, cos, __fmul_rn(a, sin));
  a = turned;
}

/// Head `head` of the tile's tokens, along the dimensions.
__device__ void rotate_queries(const Work& work, const Rotation& rotation, int64_t head, int64_t first_token,
                               int tokens) {
  const int64_t half = work.head_dim / 2;
  const int groups = static_cast<int>((half + kGroup - 1) / kGroup);
  for (int item = static_cast<int>(threadIdx.x); item < tokens * groups; item += kThreads) {
    const int64_t token = first_token + item / groups, i = int64_t{item % groups} * kGroup, count = half - i;
    const int64_t position = *rotation.positions[token];
    float* const low = work.q[token] + head * work.head_dim;
    float* const high = low + half;
    float a[kGroup], b[kGroup], cos[kGroup], sin[kGroup];
    load_group(low + i, count, work.q.is_aligned, a);
    load_group(high + i, count, work.q.is_aligned, b);
    load_group(rotation.cos[position] + i, count, rotation.cos.is_aligned, cos);
    load_group(rotation.sin[position] + i, count, rotation.sin.is_aligned, sin);
#pragma unroll
    for (int j = 0; j < kGroup; ++j) rotate(a[j], b[j], cos[j], sin[j]);
    store_group(low, i, half, work.q.is_aligned, a);
    store_group(high, i, half, work.q.is_aligned, b);
  }
}

__device__ void load_chunk(const float* from, int64_t count, bool is_aligned, float (&to)[kChunk]) {
#pragma unroll
  for (int first = 0; first < kChunk; first += kGroup) {
    float group[kGroup];
    load_group(from + first, count - first, is_aligned, group);
#pragma unroll
    for (int j = 0; j < kGroup; ++j) to[first + j] = group[j];
  }
}

/// Dimensions [dim, dim + count) of one token into its K block; pairs as one where they start on an even dimension.
template <class T>
__device__ void store_k(T* block, int64_t page_tokens, int64_t token, int64_t dim, int64_t count,
                        const float (&x)[kChunk]) {
  const auto index = [&](int64_t d) { return (d / 2 * page_tokens + token) * 2 + d % 2; };
  const bool is_even = dim % 2 == 0;
#pragma unroll
  for (int j = 0; j < kChunk; j += 2) {
    if (is_even && j + 1 < count) {
      Pair<T> pair;
      narrow(x[j], pair.at[0]);
      narrow(x[j + 1], pair.at[1]);
      *reinterpret_cast<Pair<T>*>(block + index(dim + j)) = pair;
    } else {
      if (j < count) narrow(x[j], block[index(dim + j)]);
      if (j + 1 < count) narrow(x[j + 1], block[index(dim + j + 1)]);
    }
  }
}

/// One token's key, the chunks of this warp.
template <bool kRotate, class T>
__device__ void write_key(const Work& work, const Rotation& rotation, const Pages& pages, int64_t head, int64_t token,
                          Place place) {
  T* const block = reinterpret_cast<T*>(place.page + head * pages.head_bytes + pages.k_offset);
  const float* const key = work.k[token] + head * work.head_dim;
  const int64_t first = int64_t{threadIdx.x} / kWarp * kChunk;
  if constexpr (kRotate) {
    const int64_t half = work.head_dim / 2, position = *rotation.positions[token];
    for (int64_t i = first; i < half; i += kWarps * kChunk) {
      float a[kChunk], b[kChunk], cos[kChunk], sin[kChunk];
      load_chunk(key + i, half - i, work.k.is_aligned, a);
      load_chunk(key + half + i, half - i, work.k.is_aligned, b);
      load_chunk(rotation.cos[position] + i, half - i, rotation.cos.is_aligned, cos);
      load_chunk(rotation.sin[position] + i, half - i, rotation.sin.is_aligned, sin);
#pragma unroll
      for (int j = 0; j < kChunk; ++j) rotate(a[j], b[j], cos[j], sin[j]);
      store_k(block, pages.page_tokens, place.token, i, half - i, a);
      store_k(block, pages.page_tokens, place.token, half + i, half - i, b);
    }
  } else {
    const int64_t padded = (work.head_dim + 1) / 2 * 2;  // what is loaded behind head_dim is 0, as the pad must be
    for (int64_t i = first; i < padded; i += kWarps * kChunk) {
      float x[kChunk];
      load_chunk(key + i, work.head_dim - i, work.k.is_aligned, x);
      store_k(block, pages.page_tokens, place.token, i, padded - i, x);
    }
  }
}

/// Value head `head` of the tile's tokens, along the dimensions.
template <class T>
__device__ void write_values(const Work& work, const Pages& pages, int64_t head, int64_t first_token, int tokens,
                             const Place* places) {
  const int groups = static_cast<int>((work.head_dim + kGroup - 1) / kGroup);
  for (int item = static_cast<int>(threadIdx.x); item < tokens * groups; item += kThreads) {
    const int in_tile = item / groups;
    const Place place = places[in_tile];
    if (place.page == nullptr) continue;
    const int64_t i = int64_t{item % groups} * kGroup, count = work.head_dim - i;
    float x[kGroup];
    load_group(work.v[first_token + in_tile] + head * work.head_dim + i, count, work.v.is_aligned, x);
    T* const block = reinterpret_cast<T*>(place.page + head * pages.head_bytes + pages.v_offset);
    store_group(block + place.token * work.head_dim, i, work.head_dim, work.are_v_pages_aligned, x);
  }
}

/// Block (x, y): tokens [kTile x, kTile (x + 1)) of head y, query heads first, then keys, then values.
template <bool kRotate, class T>
__global__ void __launch_bounds__(kThreads) rope_and_write_kv_kernel(Work work, Rotation rotation, Pages pages) {
  const int64_t first_token = int64_t{blockIdx.x} * kTile, rest = work.num_tokens - first_token;
  const int tokens = rest < kTile ? static_cast<int>(rest) : kTile;
  int64_t head = blockIdx.y;
  if constexpr (kRotate) {
    if (head < work.num_query_heads) return rotate_queries(work, rotation, head, first_token, tokens);
  }
  head -= work.num_query_heads;
  __shared__ Place places[kTile];
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  if (static_cast<int>(threadIdx.x) < tokens) places[threadIdx.x] = place_of(pages, first_token + threadIdx.x);
  __syncthreads();
  if (head >= work.num_kv_heads) {
    return write_values<T>(work, pages, head - work.num_kv_heads, first_token, tokens, places);
  }
  if (lane < tokens && places[lane].page != nullptr) {
    write_key<kRotate, T>(work, rotation, pages, head, first_token + lane, places[lane]);
  }
}

Pages pages_of(const RaggedRows& rows, int64_t layer, const KvPages& pages) {
  const bool is_coded = pages.layout.is_coded();
  const KvLayout layout = is_coded ? pages.open_layout() : pages.layout;
  return {is_coded ? pages.open_base : pages.base,
          layout.page_bytes(),
          layout.head_bytes(),
          layout.k_block(0, layer),
          layout.v_block(0, layer),
          static_cast<int32_t>(layout.page_tokens),
          rows.token_row,
          rows.token_begin,
          rows.first_position,
          is_coded ? rows.open_begin : rows.page_begin,
          is_coded ? rows.open_slots : rows.slots,
          is_coded};
}

Rotation rotation_of(ConstTensorView positions, const RopeTable& table) {
  return {{positions.as<int32_t>(), positions.stride(0), false},
          rows_of<const float>(ConstTensorView(table.cos)),
          rows_of<const float>(ConstTensorView(table.sin))};
}

Work work_on_queries(TensorView q) {
  Work work = {};
  work.num_tokens = q.size(0);
  work.head_dim = q.size(2);
  work.num_query_heads = q.size(1);
  work.q = rows_of<float>(q);
  work.q.is_aligned = work.q.is_aligned && work.head_dim / 2 % kGroup == 0;
  return work;
}

void add_keys_and_values(Work& work, ConstTensorView k, ConstTensorView v, const KvPages& pages, bool is_rotated) {
  work.num_tokens = k.size(0);
  work.head_dim = k.size(2);
  work.num_kv_heads = k.size(1);
  work.k = rows_of<const float>(k);
  work.v = rows_of<const float>(v);
  const bool are_heads_aligned = work.head_dim % kGroup == 0;
  work.k.is_aligned = work.k.is_aligned && (is_rotated ? work.head_dim / 2 % kGroup == 0 : are_heads_aligned);
  work.v.is_aligned = work.v.is_aligned && are_heads_aligned;
  const std::byte* const base = pages.layout.is_coded() ? pages.open_base : pages.base;
  work.are_v_pages_aligned = are_heads_aligned && reinterpret_cast<uintptr_t>(base) % sizeof(float4) == 0;
}

template <bool kRotate, class T>
void run(const OpContext& context, const Work& work, const Rotation& rotation, const Pages& pages) {
  const dim3 grid(div_up(work.num_tokens, kTile), static_cast<unsigned>(work.num_query_heads + 2 * work.num_kv_heads));
  launch(context, grid, dim3(kThreads), 0, rope_and_write_kv_kernel<kRotate, T>, work, rotation, pages);
}

}  // namespace

void rope(const OpContext& context, TensorView x, ConstTensorView positions, const RopeTable& table) {
  run<true, float>(context, work_on_queries(x), rotation_of(positions, table), {});
}

void write_kv(const OpContext& context, ConstTensorView k, ConstTensorView v, const RaggedRows& rows, int64_t layer,
              const KvPages& pages) {
  Work work = {};
  add_keys_and_values(work, k, v, pages, false);
  visit_floating(pages.layout.dtype,
                 [&]<class T>() { run<false, DeviceTypeOf<T>>(context, work, {}, pages_of(rows, layer, pages)); });
}

void rope_and_write_kv(const OpContext& context, TensorView q, TensorView k, ConstTensorView v,
                       ConstTensorView positions, const RopeTable& table, const RaggedRows& rows, int64_t layer,
                       const KvPages& pages) {
  Work work = work_on_queries(q);
  add_keys_and_values(work, k, v, pages, true);
  visit_floating(pages.layout.dtype, [&]<class T>() {
    run<true, DeviceTypeOf<T>>(context, work, rotation_of(positions, table), pages_of(rows, layer, pages));
  });
}

}  // namespace lockstep::cuda
