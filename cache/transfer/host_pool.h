// A rank's host memory for KV pages: the tier between device and disk. Slots hold what device slots hold, in the same
// order, with the CRC32C of every (KV head, layer) beside them; cold slots, if there are any, hold pages in a format of
// fewer bits, blocks by (head, layer) as well.
//
// slot = [kv head], each head padded to a multiple of 4096 bytes and aligned to it, so that O_DIRECT reads and writes
// it in place; in cold slots, which no disk reads or writes, heads lie side by side. Padding is zero. Slots [0,
// num_slots()) have the canonical format, the num_cold_slots() behind them the cold one. Which page lies in which slot
// is told by plans. Thread-safety: none by itself; the mover keeps uses of a slot apart.
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
  /// With cold slots. `cold`: a layout of the same heads, layers and tokens.
  HostPool(const KvLayout& layout, int64_t num_slots, const KvLayout& cold, int64_t num_cold_slots, Device device);

  const KvLayout& layout() const { return exact_.layout; }
  /// Of cold slots; the canonical one where there are none.
  const KvLayout& cold_layout() const { return cold_.num_slots > 0 ? cold_.layout : exact_.layout; }
  int64_t num_slots() const { return exact_.num_slots; }
  int64_t num_cold_slots() const { return cold_.num_slots; }
  bool is_cold(SlotId slot) const { return slot.value() >= exact_.num_slots; }
  /// Bytes from one head of a slot of the canonical format to the next.
  int64_t head_stride() const { return exact_.head_stride; }
  int64_t slot_bytes() const { return exact_.slot_bytes(); }

  std::span<std::byte> slot(SlotId slot) const;
  /// K and V of (head, layer): layer_bytes(layer) bytes of the slot's layout.
  std::span<std::byte> block(SlotId slot, int64_t head, int64_t layer) const;
  /// [num_kv_heads][num_layers]
  std::span<uint32_t> crcs(SlotId slot);

  /// What a slot takes, for capacities. Throws ConfigError for a layout without bytes.
  static int64_t slot_bytes_of(const KvLayout& layout);
  static int64_t cold_slot_bytes_of(const KvLayout& cold) { return cold.page_bytes(); }

 private:
  /// Equal slots.
  struct Part {
    Part() = default;
    Part(const KvLayout& layout, int64_t slot_bytes, int64_t num_slots, Device device);
    int64_t slot_bytes() const { return head_stride * layout.num_kv_heads; }

    KvLayout layout;
    LayerBlocks blocks;
    int64_t num_slots = 0, head_stride = 0;
    PinnedBuffer memory;
    std::byte* base = nullptr;  // memory's first aligned byte
  };
  const Part& part_of(SlotId slot) const { return is_cold(slot) ? cold_ : exact_; }

  Part exact_, cold_;
  std::vector<uint32_t> crcs_;
};

}  // namespace lockstep
