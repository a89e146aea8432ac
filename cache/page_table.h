// A rank's own record of which page lies in which device slot, advanced only by plans.
//
// The rolling digest proves that all ranks hold the same record. Not thread-safe: the engine's step loop owns it.
#pragma once

#include "cache/step_plan.h"

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace lockstep {

class PageTable {
 public:
  explicit PageTable(int64_t num_slots);

  /// Checks number and digest_before, then applies the ops in order. Throws Error (with plan number, op and both
  /// digests) if the plan does not follow: wrong number, wrong digest, slot in use, page unknown. After a throw the
  /// record is void and the rank must stop.
  void apply(const StepPlan& plan);

  /// Slot of a page on the device. Throws Error for a page that is not there.
  SlotId slot_of(PageId page) const;
  bool is_sealed(PageId page) const;
  int64_t num_slots() const;
  int64_t num_used() const;
  uint64_t next_plan_number() const;
  /// Digest over all ops applied so far, in order.
  Hash128 digest() const;

 private:
  void apply(const PageOp& op);

  struct Entry {
    SlotId slot;
    bool sealed = false;
  };
  std::unordered_map<PageId, Entry> entries_;
  std::vector<bool> slot_used_;
  int64_t num_used_ = 0;
  uint64_t next_number_ = 0;
  Hash128 digest_;
};

}  // namespace lockstep
