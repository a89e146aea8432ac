// How long computations waited for transfers, by cause. Private to cache/transfer/.
//
// On the host that is the time between two looks at the clock. A CUDA stream's waits are timed by marks on both sides,
// read off some plans later, when the stream is long past them.
// Thread-safety: the rank's step thread alone.
#pragma once

#include "cache/transfer/mover_report.h"
#include "core/cuda_api.h"
#include "core/device.h"
#include "core/stream.h"

#include <array>
#include <deque>
#include <memory>

namespace lockstep {

class StallMeter {
 public:
  explicit StallMeter(Device device);

  void add(StallCause cause, double seconds) { seconds_[static_cast<size_t>(cause)] += seconds; }
  /// Around the waits that are enqueued on a stream. Nothing on a CPU rank, and while the stream is captured.
  void open(Stream& stream);
  void close(Stream& stream, StallCause cause);
  /// Once a plan: reads marks that streams have passed; never waits for them.
  void collect();

  const std::array<double, kNumStallCauses>& seconds() const { return seconds_; }

 private:
  struct Waits {
    StallCause cause;
    int32_t begin, end;
    uint64_t round;
  };

  std::unique_ptr<TimedMarks> marks_;  // null on a CPU rank
  std::deque<Waits> waits_;
  int32_t open_mark_ = TimedMarks::kNone;
  uint64_t round_ = 0;
  std::array<double, kNumStallCauses> seconds_{};
};

}  // namespace lockstep
