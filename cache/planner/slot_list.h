// Free places of a pool of equal slots. Not thread-safe.
#pragma once

#include "core/ids.h"

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace lockstep {

class SlotList {
 public:
  explicit SlotList(int64_t num_slots) : num_slots_(num_slots) {}

  /// Slots freed last are given first; then those that were never given; then, oldest first, those that a transfer may
  /// still read, which whoever writes them next has to wait for.
  std::optional<SlotId> take() {
    if (!freed_.empty()) {
      const SlotId slot = freed_.back();
      freed_.pop_back();
      return slot;
    }
    if (num_touched_ < num_slots_) return SlotId(static_cast<int32_t>(num_touched_++));
    if (busy_.empty()) return std::nullopt;
    const SlotId slot = busy_.front();
    busy_.pop_front();
    return slot;
  }
  void give_back(SlotId slot) { freed_.push_back(slot); }
  /// A transfer under way reads the slot.
  void give_back_busy(SlotId slot) { busy_.push_back(slot); }

  int64_t num_slots() const { return num_slots_; }
  int64_t num_free() const { return static_cast<int64_t>(freed_.size() + busy_.size()) + num_slots_ - num_touched_; }
  int64_t num_used() const { return num_slots_ - num_free(); }

 private:
  int64_t num_slots_;
  int64_t num_touched_ = 0;    // slots [num_touched_, num_slots_) were never given
  std::vector<SlotId> freed_;  // a stack
  std::deque<SlotId> busy_;
};

}  // namespace lockstep
