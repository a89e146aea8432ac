// One copy of a page on its way, as the transfers' bookkeeping sees it. Private to cache/transfer/.
//
// blocked → ready → running → enqueued → released. *Done* is apart from that: a transfer is done when it succeeded or
// failed; a time-out can fail one that still runs, and its memory stays in use until it is released.
// Thread-safety: everything below "guarded" belongs to the mover's mutex; the rest does not change.
#pragma once

#include "cache/step_plan.h"
#include "cache/transfer/fault_plan.h"
#include "core/stream.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lockstep {

using TransferClock = std::chrono::steady_clock;

enum class TransferStage : uint8_t {
  kBlocked,   // behind other transfers
  kReady,     // a thread may take it up
  kRunning,   // a thread works on it
  kEnqueued,  // its device copies are all on a stream: whatever is enqueued behind their events follows them
  kReleased,  // touches no memory any more
};

struct Transfer {
  std::optional<TransferChannel> channel;  // nothing: the disk store is to forget `key`
  uint64_t number = 0;                     // on its channel
  uint64_t plan = 0;
  uint64_t order = 0;  // of all transfers
  PageId page;
  SlotId slot{-1}, host_slot{-1};
  SlotId cold_slot{-1};  // ≥ 0: host_slot → cold_slot, the device takes no part
  Hash128 key;
  int64_t bytes = 0;
  TransferFaults faults;

  // Guarded.
  struct Dependent {
    std::shared_ptr<Transfer> transfer;
    bool on_device;  // an event suffices: both uses of the slot are device copies
  };
  struct Piece {  // a group of layers; of a copy to the host: all of it
    std::shared_ptr<const Event> landed;
    bool is_enqueued = false;
  };
  TransferStage stage = TransferStage::kBlocked;
  bool is_done = false, has_failed = false;
  std::string reason;                             // of the failure
  int64_t num_blockers = 0;                       // earlier uses of its slots that it cannot follow yet
  int64_t num_not_done = 0;                       // transfers among them that are not done
  std::shared_ptr<Transfer> source;               // wrote what this one reads; null: a computation did
  std::vector<Dependent> dependents;              // later uses that wait for this one
  std::vector<std::shared_ptr<Transfer>> behind;  // earlier uses that its stream has to wait for
  std::shared_ptr<const Event> computed;          // behind the computation of all earlier plans; null: need not wait
  std::vector<Piece> pieces;
  int64_t pieces_left = 0;      // neither landed nor given up
  std::byte* staged = nullptr;  // CUDA, between a cold slot and the device: where the page has the device's format
  std::optional<TransferClock::time_point> deadline;
  TransferClock::time_point begin, end;  // of its work

  bool is_transcode() const { return cold_slot.value() >= 0; }
  /// Of the host: where a copy to it goes.
  SlotId target_slot() const { return is_transcode() ? cold_slot : host_slot; }
  bool is_on(TransferChannel which) const { return channel == which; }
};

}  // namespace lockstep
