// What is known of one channel's transfers: numbers given out, how far all are done, bytes on their way, sums.
// Private to cache/transfer/; guarded by the mover's mutex.
#pragma once

#include "cache/transfer/mover_report.h"
#include "cache/transfer/transfer.h"

#include <cstdint>
#include <deque>

namespace lockstep {

class ChannelLedger {
 public:
  /// The number of a new transfer: 1, 2, …
  uint64_t open(int64_t bytes);
  /// Transfers may be done in any order. Returns whether done_through() moved.
  bool close(const Transfer& transfer);
  /// All transfers up to this number are done.
  uint64_t done_through() const { return done_through_; }
  /// Of transfers that are not done.
  int64_t open_bytes() const { return open_bytes_; }

  /// A thread begins or ends to work for the channel; the time in which any does is busy time.
  void begin_work(TransferClock::time_point now);
  void end_work(TransferClock::time_point now);
  ChannelStats stats(TransferClock::time_point now) const;

 private:
  uint64_t last_number_ = 0, done_through_ = 0;
  std::deque<bool> done_;  // of done_through_ + 1, …
  int64_t open_bytes_ = 0;
  int64_t num_working_ = 0;
  TransferClock::time_point busy_since_;
  ChannelStats stats_;
};

}  // namespace lockstep
