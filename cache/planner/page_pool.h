// The leader's books of device slots: which are free, which ids were given, and every change as a PageOp.
//
// Slots are symmetric: slot s means the same place in every rank's pool, so one book serves all ranks. Ops are kept in
// the order of the calls until a plan takes them; the digest runs over what plans took, as a rank's PageTable does.
// Not thread-safe.
#pragma once

#include "cache/step_plan.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace lockstep {

/// A page and the slot it lies in.
struct PlacedPage {
  PageId page;
  SlotId slot;
};

class PagePool {
 public:
  explicit PagePool(int64_t num_slots);

  /// A new page in a free slot (kAllocate); nothing when no slot is free. Slots freed last are given first.
  std::optional<PlacedPage> allocate();
  /// The page is full and written (kSeal).
  void seal(const PlacedPage& page);
  /// The page leaves; its slot is free for the next allocate() (kEvict).
  void evict(const PlacedPage& page);

  /// Ops since the last call, in order; extends digest() by them.
  std::vector<PageOp> take_ops();
  /// Digest over all ops that were taken.
  const Hash128& digest() const { return digest_; }

  int64_t num_slots() const { return num_slots_; }
  int64_t num_free() const { return static_cast<int64_t>(freed_.size()) + num_slots_ - num_touched_; }
  int64_t num_used() const { return num_slots_ - num_free(); }

 private:
  int64_t num_slots_;
  int64_t num_touched_ = 0;    // slots [num_touched_, num_slots_) were never given
  std::vector<SlotId> freed_;  // a stack
  int64_t next_page_ = 0;
  std::vector<PageOp> ops_;
  Hash128 digest_;
};

}  // namespace lockstep
