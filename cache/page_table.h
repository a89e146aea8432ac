// A rank's own record of which page lies in which slots of device and host, and in which it is written; advanced only
// by plans.
//
// What the disk store holds goes by keys and is not recorded here.
//
// The rolling digest proves that all ranks hold the same record. Not thread-safe: the engine's step loop owns it.
#pragma once

#include "cache/step_plan.h"

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace lockstep {

class PageTable {
 public:
  /// `num_cold_slots`: of the host, numbered behind the num_host_slots others.
  explicit PageTable(int64_t num_slots, int64_t num_host_slots = 0, int64_t num_open_slots = 0,
                     int64_t num_cold_slots = 0);

  /// Checks number and digest_before, then applies the ops in order. Throws Error (with plan number, op, both digests,
  /// the last ops that were published and the last that were applied here) if the plan does not follow: wrong number,
  /// wrong digest, slot in use, page unknown. After a throw the record is void and the rank must stop.
  /// `left_out`: index of an op that this rank forgets, on purpose (--inject diverge).
  void apply(const StepPlan& plan, std::optional<size_t> left_out = {});

  /// Slot of a page on the device; num_slots() + host slot for one that is only on the host, where rows read it in
  /// place. Throws Error for a page that is in neither.
  SlotId slot_of(PageId page) const;
  /// Where an open page is written; -1: nowhere but in its slot, or the page is sealed. Throws like slot_of().
  SlotId open_slot_of(PageId page) const;
  bool is_sealed(PageId page) const;
  int64_t num_slots() const { return static_cast<int64_t>(device_.holders.size()); }
  int64_t num_used() const { return device_.num_used; }
  int64_t num_host_used() const { return host_.num_used; }
  uint64_t next_plan_number() const;
  /// Digest over all ops applied so far, in order.
  Hash128 digest() const;

 private:
  struct Entry {
    SlotId slot{-1}, host_slot{-1}, open_slot{-1};
    bool sealed = false;
  };
  /// A pool's slots and the pages in them; -1: free.
  struct Slots {
    explicit Slots(int64_t count) : holders(static_cast<size_t>(count), PageId(-1)) {}
    std::vector<PageId> holders;
    int64_t num_used = 0;
  };

  void apply(const PageOp& op);
  void demote(const PageOp& op, Entry& entry);
  void promote(const PageOp& op, Entry* entry);
  void transcode(const PageOp& op, Entry& entry);
  void invalidate(const PageOp& op);
  void leave(const PageOp& op, Entry& entry);
  static void fill(Slots& slots, SlotId slot, PageId page);
  static void free(Slots& slots, SlotId slot);
  void close(Entry& entry);
  void forget_if_gone(PageId page);
  const Entry& readable(PageId page) const;
  std::string last_ops() const;

  /// The last ops of one kind of history, for the message when ranks part.
  struct Log {
    std::vector<PageOp> ring;
    size_t count = 0;
    void add(const PageOp& op);
    std::string text() const;
  };

  std::unordered_map<PageId, Entry> entries_;
  Slots device_, host_, open_;
  int64_t first_cold_;  // of the host's slots
  uint64_t next_number_ = 0;
  Hash128 digest_;
  Log published_, applied_;
};

}  // namespace lockstep
