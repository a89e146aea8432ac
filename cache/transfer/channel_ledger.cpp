#include "cache/transfer/channel_ledger.h"

#include "core/error.h"

namespace lockstep {

uint64_t ChannelLedger::open(int64_t bytes) {
  open_bytes_ += bytes;
  done_.push_back(false);
  return ++last_number_;
}

bool ChannelLedger::close(const Transfer& transfer) {
  LS_CHECK(transfer.number > done_through_ && transfer.number <= last_number_, "transfer {} is done, of {} to {} open",
           transfer.number, done_through_ + 1, last_number_);
  open_bytes_ -= transfer.bytes;
  ++stats_.transfers;
  transfer.has_failed ? ++stats_.failures : stats_.bytes += transfer.bytes;
  done_[static_cast<size_t>(transfer.number - done_through_ - 1)] = true;
  const uint64_t before = done_through_;
  while (!done_.empty() && done_.front()) {
    done_.pop_front();
    ++done_through_;
  }
  return done_through_ != before;
}

void ChannelLedger::begin_work(TransferClock::time_point now) {
  if (num_working_++ == 0) busy_since_ = now;
}

void ChannelLedger::end_work(TransferClock::time_point now) {
  if (--num_working_ == 0) stats_.busy_seconds += std::chrono::duration<double>(now - busy_since_).count();
}

ChannelStats ChannelLedger::stats(TransferClock::time_point now) const {
  ChannelStats stats = stats_;
  if (num_working_ > 0) stats.busy_seconds += std::chrono::duration<double>(now - busy_since_).count();
  return stats;
}

}  // namespace lockstep
