// A rank's host memory for KV pages: the tier between device and disk. Slots hold what device slots hold, in the same
// order, with the CRC32C of every (KV head, layer) beside them.
//
// slot = [kv head], each head padded to a multiple of 4096 bytes and aligned to it, so that O_DIRECT reads and writes
// it in place. Padding is zero. Which page lies in which slot is told by plans. Thread-safety: none by itself; the
// mover keeps uses of a slot apart.
#pragma once

#include "core/ids.h"
#include "core/pinned_buffer.h"
#include "kernels/kv_layout.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace lockstep {

class HostPool {
 public:
  static constexpr int64_t kAlignment = 4096;  // of O_DIRECT on every common file system

  /// Page-locked for a CUDA device. Throws: ConfigError for a layout without bytes or no slots; OutOfMemory.
  HostPool(const KvLayout& layout, int64_t num_slots, Device device);

  const KvLayout& layout() const { return layout_; }
  int64_t num_slots() const { return num_slots_; }
  /// Bytes from one head of a slot to the next.
  int64_t head_stride() const { return head_stride_; }
  int64_t slot_bytes() const { return head_stride_ * layout_.num_kv_heads; }

  std::span<std::byte> slot(SlotId slot) const;
  /// K and V of (head, layer): layout().layer_bytes(layer) bytes.
  std::span<std::byte> block(SlotId slot, int64_t head, int64_t layer) const;
  /// [num_kv_heads][num_layers]
  std::span<uint32_t> crcs(SlotId slot);

  /// What a slot takes, for capacities. Throws ConfigError for a layout without bytes.
  static int64_t slot_bytes_of(const KvLayout& layout);

 private:
  KvLayout layout_;
  LayerBlocks blocks_;
  int64_t num_slots_, head_stride_;
  PinnedBuffer memory_;
  std::byte* base_ = nullptr;  // memory_'s first aligned byte
  std::vector<uint32_t> crcs_;
};

}  // namespace lockstep
