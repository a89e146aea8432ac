// The order of all transfers of a rank: which may run, what each has to wait for, what is done. Pure bookkeeping.
//
// Two uses of a slot of which one writes are an edge: the later one follows the earlier one. On a CPU rank, and where
// the host touches the slot, it follows its release; where both are copies of one CUDA device, events order them.
// Private to cache/transfer/; every call under the mover's mutex.
#pragma once

#include "cache/transfer/channel_ledger.h"
#include "cache/transfer/slot_uses.h"

#include <array>
#include <map>
#include <unordered_map>
#include <utility>

namespace lockstep {

/// Whether the disk store has to forget the op's key.
bool leaves_disk(const PageOp& op);

class TransferGraph {
 public:
  using Ptr = std::shared_ptr<Transfer>;

  struct Sizes {
    int64_t num_device_slots = 0, num_host_slots = 0;
    int64_t num_cold_slots = 0;  // of the host, behind the others
    bool has_disk = false;
    bool has_events = false;  // CUDA
    TransferClock::duration timeout{};
  };
  explicit TransferGraph(const Sizes& sizes);

  /// Of an op that has a channel, or that leaves_disk(). Throws Error for slots that are not there.
  Ptr add(const PageOp& op, uint64_t plan, int64_t bytes, int64_t num_pieces, TransferFaults faults,
          std::shared_ptr<const Event> computed);
  /// A computation writes into the slot from now on. Returns the transfers that it has to follow.
  std::vector<Ptr> give_to_computation(SlotId slot);

  /// The transfer that wrote what lies in the slot, which computations read from now on. Throws Error for a slot that
  /// nothing was written to.
  Ptr content_of_host_slot(SlotId slot);

  /// Transfers that became ready since the last call, oldest first.
  std::vector<Ptr> take_ready() { return std::exchange(ready_, {}); }
  /// A thread takes it up, or another piece of it. False: it is released, or was so here because what it reads failed.
  bool start(const Ptr& transfer);
  void set_enqueued(const Ptr& transfer);
  /// Done; with a reason it failed. Later calls for the same transfer change nothing.
  void settle(const Ptr& transfer, const std::string& reason = "");
  /// Done and off its memory. A transfer that was not settled has succeeded.
  void release(const Ptr& transfer);
  /// Fails what is over its time. Returns whether anything was.
  bool expire(TransferClock::time_point now);
  /// Fails all copies that no thread has taken up. What the disk store is to forget it will.
  void cancel_waiting(const std::string& reason);

  bool is_idle() const { return active_.empty(); }
  int64_t open_bytes(TransferChannel channel) const { return ledger(channel).open_bytes(); }
  /// Grows whenever a report would say something new.
  uint64_t progress() const { return progress_; }
  TransferReport take_report();
  std::array<ChannelStats, kNumTransferChannels> stats() const;

 private:
  const ChannelLedger& ledger(TransferChannel channel) const { return ledgers_[static_cast<size_t>(channel)]; }
  ChannelLedger& ledger(TransferChannel channel) { return ledgers_[static_cast<size_t>(channel)]; }
  SlotUses& device_slot(SlotId slot);
  SlotUses& host_slot(SlotId slot);
  SlotUses& disk_page(const Hash128& key);
  void follow(const Ptr& transfer, const std::vector<SlotUses::Conflict>& conflicts);
  void read(const Ptr& transfer, SlotUses& uses, bool starts_on_device, bool ends_on_device);
  void write(const Ptr& transfer, SlotUses& uses, bool starts_on_device, bool ends_on_device);
  void set_ready(const Ptr& transfer);
  void start_clock(const Ptr& transfer);

  Sizes sizes_;
  std::vector<SlotUses> device_slots_, host_slots_;
  std::unordered_map<Hash128, SlotUses> disk_pages_;  // in use only
  std::array<ChannelLedger, kNumTransferChannels> ledgers_;
  std::map<uint64_t, Ptr> active_;                                           // not released, by order
  std::map<std::pair<TransferClock::time_point, uint64_t>, Ptr> deadlines_;  // of those that are not done
  std::vector<Ptr> ready_;
  std::vector<TransferFailure> failures_;
  uint64_t last_order_ = 0, progress_ = 0;
};

}  // namespace lockstep
