#include "cache/transfer/host_pool.h"

#include "core/error.h"

#include <cstring>
#include <limits>

namespace lockstep {
namespace {

int64_t round_up(int64_t bytes) {
  return (bytes + HostPool::kAlignment - 1) / HostPool::kAlignment * HostPool::kAlignment;
}

int64_t checked_pool_bytes(const KvLayout& layout, int64_t num_slots) {
  const int64_t slot_bytes = HostPool::slot_bytes_of(layout);
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

HostPool::HostPool(const KvLayout& layout, int64_t num_slots, Device device)
    : layout_(layout),
      blocks_(layout.layer_blocks()),
      num_slots_(num_slots),
      head_stride_(slot_bytes_of(layout) / layout.num_kv_heads),
      memory_(checked_pool_bytes(layout, num_slots) + kAlignment, device),  // any allocator's alignment will do
      crcs_(static_cast<size_t>(num_slots * layout.num_kv_heads * layout.num_layers)) {
  const auto address = reinterpret_cast<uintptr_t>(memory_.data());
  base_ = memory_.as<std::byte>() + (static_cast<uintptr_t>(kAlignment) - address % kAlignment) % kAlignment;
  const int64_t head_bytes = layout_.head_bytes(), padding = head_stride_ - head_bytes;
  for (int64_t head = 0; head < num_slots_ * layout_.num_kv_heads && padding > 0; ++head) {
    std::memset(base_ + head * head_stride_ + head_bytes, 0, static_cast<size_t>(padding));
  }
}

std::span<std::byte> HostPool::slot(SlotId slot) const {
  return {base_ + slot.value() * slot_bytes(), static_cast<size_t>(slot_bytes())};
}

std::span<std::byte> HostPool::block(SlotId slot, int64_t head, int64_t layer) const {
  return this->slot(slot).subspan(static_cast<size_t>(head * head_stride_ + blocks_.offset_of(layer)),
                                  static_cast<size_t>(blocks_.bytes_of(layer)));
}

std::span<uint32_t> HostPool::crcs(SlotId slot) {
  const auto count = static_cast<size_t>(layout_.num_kv_heads * layout_.num_layers);
  return std::span(crcs_).subspan(static_cast<size_t>(slot.value()) * count, count);
}

}  // namespace lockstep
