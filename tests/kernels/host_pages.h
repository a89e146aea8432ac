// Pages in host memory as cache/transfer/host_pool.h lays them out, for tests of what reads them there.
#pragma once

#include "kernels/paged_attention.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace lockstep::test {

/// Padding between heads is NaN in every type.
class HostPages {
 public:
  HostPages(const KvLayout& layout, int64_t num_slots)
      : layout_(layout),
        head_stride_((layout.head_bytes() + kAlignment - 1) / kAlignment * kAlignment),
        bytes_(static_cast<size_t>(num_slots * slot_bytes()), std::byte{0xff}) {}

  /// Copies slot `slot` of a pool; returns its host slot.
  int32_t add(const std::byte* pool, int32_t slot) {
    for (int64_t head = 0; head < layout_.num_kv_heads; ++head) {
      std::memcpy(bytes_.data() + num_used_ * slot_bytes() + head * head_stride_,
                  pool + slot * layout_.page_bytes() + head * layout_.head_bytes(),
                  static_cast<size_t>(layout_.head_bytes()));
    }
    return num_used_++;
  }
  /// The slots behind `num_slots` of a pool, at `base` or where the copies are.
  void join(KvPages& pages, int64_t num_slots, const std::byte* base = nullptr) const {
    pages.num_slots = num_slots;
    pages.host_base = base != nullptr ? base : bytes_.data();
    pages.host_slot_bytes = slot_bytes();
    pages.host_head_stride = head_stride_;
  }
  const std::vector<std::byte>& bytes() const { return bytes_; }
  int32_t num_used() const { return num_used_; }

 private:
  static constexpr int64_t kAlignment = 4096;
  int64_t slot_bytes() const { return head_stride_ * layout_.num_kv_heads; }

  KvLayout layout_;
  int64_t head_stride_;
  std::vector<std::byte> bytes_;
  int32_t num_used_ = 0;
};

}  // namespace lockstep::test
