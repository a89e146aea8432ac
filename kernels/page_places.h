// Where a slot's keys and values lie: in the pool of the device, or in host memory that the device reads in place.
#pragma once

#include "core/host_device.h"
#include "kernels/paged_attention.h"

#include <cstddef>
#include <cstdint>
#include <limits>

namespace lockstep {

/// One layer of KvPages as readers see it. A plain value: kernels get it as an argument.
struct PagePlaces {
  const std::byte* base;  // the layer's K block of head 0 in slot 0
  int64_t slot_bytes, head_bytes;
  int64_t num_slots;           // slots from here on lie in host memory
  const std::byte* host_base;  // the same K block in host slot 0
  int64_t host_slot_bytes, host_head_bytes;
  int64_t hot_begin;          // slots from here on are hot blocks, of the head that is asked for
  const std::byte* hot_base;  // the layer's first
  int64_t hot_head_bytes, hot_block_bytes;

  /// The layer's K block of (slot, head). Always inlined: files of one instruction-set level share no inline code.
  [[gnu::always_inline]] LS_HOST_DEVICE inline const std::byte* block_of(int64_t slot, int64_t head) const {
    if (slot < num_slots) return base + slot * slot_bytes + head * head_bytes;
    if (slot >= hot_begin) return hot_base + head * hot_head_bytes + (slot - hot_begin) * hot_block_bytes;
    return host_base + (slot - num_slots) * host_slot_bytes + head * host_head_bytes;
  }
};

inline PagePlaces places_of_layer(const KvPages& pages, int64_t layer) {
  const KvLayout& layout = pages.layout;
  const int64_t offset = layout.k_block(0, layer);
  constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  const bool has_host = pages.host_base != nullptr, has_hot = pages.hot_base != nullptr;
  const int64_t hot_head_bytes = pages.hot_blocks * pages.hot_block_bytes;
  return {pages.base + offset,
          layout.page_bytes(),
          layout.head_bytes(),
          has_host ? pages.num_slots : kNever,
          has_host ? pages.host_base + offset : nullptr,
          pages.host_slot_bytes,
          pages.host_head_stride,
          has_hot ? pages.num_slots + pages.num_host_slots : kNever,
          has_hot ? pages.hot_base + layer * layout.num_kv_heads * hot_head_bytes : nullptr,
          hot_head_bytes,
          pages.hot_block_bytes};
}

}  // namespace lockstep
