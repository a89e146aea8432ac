// Two kernels: a block a KV head finds places for what is listed, then blocks copy what has to come.
//
// Memory: each block that comes is read over the bus once, 16 bytes a lane of neighbouring addresses, and written once.
#include "kernels/backends.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/page_places.h"

#include <algorithm>

namespace lockstep::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int32_t kIsThere = -1, kIsMissing = -2;  // sources of pages that are not fetched; else the host slot

struct FetchArguments {
  const int32_t *page_begin, *slots, *pages, *counts;
  int64_t capacity, num_rows, num_kv_heads;
  bool splits_first_page, is_hint;
  int64_t num_slots;  // of the device
  PagePlaces places;
  // The layer's part of HotPages.
  std::byte* blocks;
  int64_t block_bytes, num_blocks, copied_bytes, num_host_slots;
  uint64_t* tags;
  int32_t *used, *calls, *launches, *claims;
  const int32_t* fillings;
  int64_t* totals;
  HotLists lists;
};

__device__ uint64_t tag_of(const FetchArguments& args, int64_t host_slot) {
  return static_cast<uint64_t>(static_cast<uint32_t>(args.fillings[host_slot])) << 32 |
         static_cast<uint64_t>(host_slot + 1);
}

/// The first place of the set that a host slot belongs to: neighbours go to different sets.
__device__ int64_t set_of(const FetchArguments& args, int64_t host_slot) {
  return host_slot % (args.num_blocks / kHotWays) * kHotWays;
}

/// The page's place in its set; -1: it has none.
__device__ int64_t find_place(const uint64_t* tags, uint64_t tag) {
  for (int64_t way = 0; way < kHotWays; ++way) {
    if (tags[way] == tag) return way;
  }
  return -1;
}

/// Several rows may miss the same page: one of them looks for its place.
__device__ bool claim(int32_t* claim, int32_t launch) {
  const int32_t seen = *const_cast<volatile int32_t*>(claim);
  return seen != launch && atomicCAS(claim, seen, launch) == seen;
}

/// Of the set's blocks the one that was not read for longest, if it was last read before `limit`; it is ours then.
/// Others may take blocks at the same time. -1: none.
__device__ int64_t take_place(int32_t* used, int32_t limit, int32_t stamp) {
  for (int64_t attempt = 0; attempt < kHotWays; ++attempt) {
    int64_t place = -1;
    int32_t oldest = limit;
    for (int64_t way = 0; way < kHotWays; ++way) {
      const int32_t last = *const_cast<volatile int32_t*>(used + way);
      if (last >= oldest) continue;
      oldest = last;
      place = way;
    }
    if (place < 0) return -1;
    if (atomicCAS(used + place, oldest, stamp) == oldest) return place;
  }
  return -1;
}

/// Calls visit(entry of the lists, host slot or -1) for all listed pages of a head, spread over the block.
template <class Visit>
__device__ void for_listed(const FetchArguments& args, int64_t head, Visit visit) {
  for (int64_t i = threadIdx.x; i < args.num_rows * args.capacity; i += kThreads) {
    const int64_t row = i / args.capacity, at = i % args.capacity, list = row * args.num_kv_heads + head;
    if (at >= args.counts[list]) continue;  // -1: the row has no list
    const int64_t entry = list * args.capacity + at;
    const int32_t page = args.pages[entry];
    const int32_t slot = args.slots[args.page_begin[row] + page + (args.splits_first_page && page > 0 ? 1 : 0)];
    visit(entry, slot);
  }
}

__global__ void __launch_bounds__(kThreads) place_kernel(FetchArguments args) {
  __shared__ int32_t call, launch;
  __shared__ unsigned num_hot, num_fetched, num_left;
  const int64_t head = blockIdx.x;
  uint64_t* const tags = args.tags + head * args.num_blocks;
  int32_t* const used = args.used + head * args.num_blocks;
  if (threadIdx.x == 0) {
    call = args.calls[head] + (args.is_hint ? 0 : 1);
    args.calls[head] = call;
    launch = ++args.launches[head];
    num_hot = num_fetched = num_left = 0;
  }
  __syncthreads();
  const int64_t first_hot = args.num_slots + args.num_host_slots;
  for_listed(args, head, [&](int64_t entry, int32_t slot) {
    args.lists.slots[entry] = slot;
    args.lists.sources[entry] = kIsThere;
    if (slot < args.num_slots) return;
    const int64_t host_slot = slot - args.num_slots, set = set_of(args, host_slot);
    const int64_t way = find_place(tags + set, tag_of(args, host_slot));
    if (way < 0) {
      args.lists.sources[entry] = kIsMissing;
      return;
    }
    if (!args.is_hint) used[set + way] = call;
    args.lists.slots[entry] = static_cast<int32_t>(first_hot + set + way);
    atomicAdd(&num_hot, 1U);
  });
  __syncthreads();  // from here on blocks may be taken: those that are read in this call have its number
  for_listed(args, head, [&](int64_t entry, int32_t slot) {
    if (args.lists.sources[entry] != kIsMissing) return;
    const int64_t host_slot = slot - args.num_slots, set = set_of(args, host_slot);
    if (!claim(args.claims + head * args.num_host_slots + host_slot, launch)) return;
    args.lists.sources[entry] = kIsThere;
    const int64_t place = take_place(used + set, call, call);
    if (place < 0) {
      atomicAdd(&num_left, 1U);
      return;
    }
    tags[set + place] = tag_of(args, host_slot);
    args.lists.slots[entry] = static_cast<int32_t>(first_hot + set + place);
    args.lists.sources[entry] = static_cast<int32_t>(host_slot);
    atomicAdd(&num_fetched, 1U);
  });
  __syncthreads();
  for_listed(args, head, [&](int64_t entry, int32_t slot) {  // of pages that other rows claimed
    if (args.lists.sources[entry] != kIsMissing) return;
    args.lists.sources[entry] = kIsThere;
    const int64_t host_slot = slot - args.num_slots, set = set_of(args, host_slot);
    const int64_t way = find_place(tags + set, tag_of(args, host_slot));
    if (way >= 0) args.lists.slots[entry] = static_cast<int32_t>(first_hot + set + way);
    atomicAdd(way >= 0 ? &num_hot : &num_left, 1U);
  });
  __syncthreads();
  if (threadIdx.x != 0 || args.is_hint) return;
  using Wide = unsigned long long;
  auto* const totals = reinterpret_cast<Wide*>(args.totals);
  atomicAdd(totals, static_cast<Wide>(num_hot));
  atomicAdd(totals + 1, static_cast<Wide>(num_fetched));
  atomicAdd(totals + 2, static_cast<Wide>(num_left));
}

__global__ void __launch_bounds__(kThreads) copy_kernel(FetchArguments args) {
  const int64_t row = blockIdx.x, head = blockIdx.y, list = row * args.num_kv_heads + head;
  for (int64_t at = blockIdx.z; at < args.counts[list]; at += gridDim.z) {
    const int64_t entry = list * args.capacity + at;
    const int32_t source = args.lists.sources[entry];
    if (source < 0) continue;
    const int64_t place = args.lists.slots[entry] - args.num_slots - args.num_host_slots;
    const auto* const from = reinterpret_cast<const uint4*>(args.places.block_of(args.num_slots + source, head));
    auto* const to = reinterpret_cast<uint4*>(args.blocks + (head * args.num_blocks + place) * args.block_bytes);
    for (int64_t i = threadIdx.x; i < args.copied_bytes / 16; i += kThreads) to[i] = from[i];
  }
}

constexpr int kVoidedAtOnce = 256;
struct VoidedSlots {
  int32_t count;
  int32_t slots[kVoidedAtOnce];
};
__global__ void __launch_bounds__(kVoidedAtOnce) void_kernel(VoidedSlots voided, int32_t* fillings) {
  const auto i = static_cast<int32_t>(threadIdx.x);
  if (i < voided.count) atomicAdd(fillings + voided.slots[i], 1);
}

}  // namespace

void void_hot_pages(const OpContext& context, std::span<const int32_t> host_slots, const HotPages& hot) {
  for (size_t begin = 0; begin < host_slots.size(); begin += kVoidedAtOnce) {
    const auto part = host_slots.subspan(begin, std::min<size_t>(kVoidedAtOnce, host_slots.size() - begin));
    VoidedSlots voided{};
    voided.count = static_cast<int32_t>(part.size());
    std::copy(part.begin(), part.end(), voided.slots);
    launch(context, dim3(1), dim3(kVoidedAtOnce), 0, void_kernel, voided, hot.fillings);
  }
}

void fetch_hot_pages(const OpContext& context, const RaggedRows& rows, int64_t layer, const KvPages& pages,
                     const PageSelection& selection, const HotPages& hot, const HotLists& lists, bool is_hint) {
  constexpr int64_t kCopiesAtOnce = 16;  // of one list
  const KvLayout& layout = pages.layout;
  FetchArguments args{};
  args.page_begin = rows.page_begin;
  args.slots = rows.slots;
  args.pages = selection.pages;
  args.counts = selection.counts;
  args.capacity = selection.capacity;
  args.num_rows = rows.num_rows;
  args.num_kv_heads = layout.num_kv_heads;
  args.splits_first_page = layout.splits_first_page();
  args.is_hint = is_hint;
  args.num_slots = pages.num_slots;
  args.places = places_of_layer(pages, layer);
  const int64_t first = layer * layout.num_kv_heads * hot.num_blocks;
  args.blocks = hot.blocks + first * hot.block_bytes;
  args.block_bytes = hot.block_bytes;
  args.num_blocks = hot.num_blocks;
  args.copied_bytes = layout.layer_bytes(layer);
  args.num_host_slots = hot.num_host_slots;
  args.tags = hot.tags + first;
  args.used = hot.used + first;
  args.calls = hot.calls + layer * layout.num_kv_heads;
  args.launches = hot.launches;
  args.claims = hot.claims;
  args.fillings = hot.fillings;
  args.totals = hot.totals;
  args.lists = lists;
  const auto heads = static_cast<unsigned>(layout.num_kv_heads);
  launch(context, dim3(heads), dim3(kThreads), 0, place_kernel, args);
  launch(context,
         dim3(static_cast<unsigned>(rows.num_rows), heads,
              static_cast<unsigned>(std::min(kCopiesAtOnce, selection.capacity))),
         dim3(kThreads), 0, copy_kernel, args);
}

}  // namespace lockstep::cuda
