// What a mover (cache/transfer/page_mover.h) tells: transfers that are done, those that failed, sums and stalls.
// Plain data.
#pragma once

#include "cache/step_plan.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace lockstep {

struct TransferFailure {
  TransferChannel channel = TransferChannel::kToHost;
  uint64_t number = 0;
  PageId page;
  std::string reason;
};

struct TransferReport {
  /// By channel: all transfers up to this number are done, well or badly. Never falls.
  std::array<uint64_t, kNumTransferChannels> done_through{};
  /// Since the last report. Each is there at the latest when done_through reaches its number.
  std::vector<TransferFailure> failures;
};

/// Why a computation waited.
enum class StallCause : uint8_t {
  kSlotInUse,  // it writes into a slot that a transfer still reads or writes
  kPromotion,  // its layer reads a page that has not arrived
  kQueueFull,  // begin() waited for room in a channel's queue
  kConfirm,    // confirm() waited
};
inline constexpr size_t kNumStallCauses = 4;

struct ChannelStats {
  int64_t transfers = 0;  // done, failures included
  int64_t failures = 0;
  int64_t bytes = 0;        // of transfers that succeeded
  double busy_seconds = 0;  // in which at least one transfer was worked on; on CUDA, waiting for computation included
};

struct MoverStats {
  std::array<ChannelStats, kNumTransferChannels> channels;
  std::array<double, kNumStallCauses> stall_seconds{};

  double exposed_seconds() const {
    double sum = 0;
    for (const double seconds : stall_seconds) sum += seconds;
    return sum;
  }
};

}  // namespace lockstep
