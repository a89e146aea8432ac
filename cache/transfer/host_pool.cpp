#include "cache/transfer/host_pool.h"

#include "core/error.h"

#include <cstring>
#include <limits>

namespace lockstep {
namespace {

int64_t round_up(int64_t bytes) {
  return (bytes + HostPool::kAlignment - 1) / HostPool::kAlignment * HostPool::kAlignment;
}

int64_t checked_pool_bytes(int64_t slot_bytes, int64_t num_slots) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max() - HostPool::kAlignment;
  LS_REQUIRE(ConfigError, num_slots > 0 && num_slots <= kMost / slot_bytes,
             "a host pool of {} pages of {} bytes; it must have at least 1", num_slots, slot_bytes);
  return num_slots * slot_bytes;
}

}  // namespace

int64_t HostPool::slot_bytes_of(const KvLayout& layout) {
  LS_REQUIRE(ConfigError,
             layout.page_tokens > 0 && layout.num_kv_heads > 0 && layout.num_layers > 0 && layout.head_dim > 0,
             "a KV page of {} tokens, {} KV heads, {} layers and head size {}: each must be at least 1",
             layout.page_tokens, layout.num_kv_heads, layout.num_layers, layout.head_dim);
  return round_up(layout.head_bytes()) * layout.num_kv_heads;
}

HostPool::Part::Part(const KvLayout& slot_layout, int64_t bytes_of_slot, int64_t slots, Device device)
    : layout(slot_layout),
      blocks(layout.layer_blocks()),
      num_slots(slots),
      head_stride(bytes_of_slot / layout.num_kv_heads),
      memory(checked_pool_bytes(bytes_of_slot, num_slots) + kAlignment, device) {  // any allocator's alignment will do
  const auto address = reinterpret_cast<uintptr_t>(memory.data());
  base = memory.as<std::byte>() + (static_cast<uintptr_t>(kAlignment) - address % kAlignment) % kAlignment;
  const int64_t head_bytes = layout.head_bytes(), padding = head_stride - head_bytes;
  for (int64_t head = 0; head < num_slots * layout.num_kv_heads && padding > 0; ++head) {
    std::memset(base + head * head_stride + head_bytes, 0, static_cast<size_t>(padding));
  }
}

HostPool::HostPool(const KvLayout& layout, int64_t num_slots, Device device)
    : exact_(layout, slot_bytes_of(layout), num_slots, device),
      crcs_(static_cast<size_t>(num_slots * layout.num_kv_heads * layout.num_layers)) {}

HostPool::HostPool(const KvLayout& layout, int64_t num_slots, const KvLayout& cold, int64_t num_cold_slots,
                   Device device)
    : exact_(layout, slot_bytes_of(layout), num_slots, device),
      cold_(cold, cold_slot_bytes_of(cold), num_cold_slots, device),
      crcs_(static_cast<size_t>((num_slots + num_cold_slots) * layout.num_kv_heads * layout.num_layers)) {
  LS_REQUIRE(
      ConfigError,
      cold.page_tokens == layout.page_tokens && cold.num_kv_heads == layout.num_kv_heads &&
          cold.num_layers == layout.num_layers && cold.head_dim == layout.head_dim && cold.dtype == layout.dtype &&
          cold.is_coded() && cold.page_bytes() < layout.page_bytes(),
      "cold pages of {} of {} bytes for pages of {} of {} bytes: a format of fewer bits of the same pages is needed",
      name_of(cold.format), cold.page_bytes(), name_of(layout.format), layout.page_bytes());
}

std::span<std::byte> HostPool::slot(SlotId slot) const {
  const Part& part = part_of(slot);
  const int64_t index = is_cold(slot) ? slot.value() - exact_.num_slots : slot.value();
  return {part.base + index * part.slot_bytes(), static_cast<size_t>(part.slot_bytes())};
}

std::span<std::byte> HostPool::block(SlotId slot, int64_t head, int64_t layer) const {
  const Part& part = part_of(slot);
  return this->slot(slot).subspan(static_cast<size_t>(head * part.head_stride + part.blocks.offset_of(layer)),
                                  static_cast<size_t>(part.blocks.bytes_of(layer)));
}

std::span<uint32_t> HostPool::crcs(SlotId slot) {
  const auto count = static_cast<size_t>(exact_.layout.num_kv_heads * exact_.layout.num_layers);
  return std::span(crcs_).subspan(static_cast<size_t>(slot.value()) * count, count);
}

}  // namespace lockstep
