#include "cache/transfer/stall_meter.h"

#include <algorithm>

namespace lockstep {
namespace {

constexpr uint64_t kPatience = 2;  // plans; as Tracer has it
constexpr size_t kMostWaits = 4096;

}  // namespace

StallMeter::StallMeter(Device device) {
  if (device.kind == DeviceKind::kCuda) marks_ = cuda_core().make_timed_marks(device);
}

void StallMeter::open(Stream& stream) {
  if (marks_) open_mark_ = marks_->record(stream);
}

void StallMeter::close(Stream& stream, StallCause cause) {
  if (!marks_ || open_mark_ == TimedMarks::kNone) return;
  const int32_t end = waits_.size() < kMostWaits ? marks_->record(stream) : TimedMarks::kNone;
  if (end == TimedMarks::kNone) {
    marks_->release(open_mark_);
  } else {
    waits_.push_back({cause, open_mark_, end, round_});
  }
  open_mark_ = TimedMarks::kNone;
}

void StallMeter::collect() {
  if (!marks_) return;
  ++round_;
  while (!waits_.empty() && waits_.front().round + kPatience <= round_ && marks_->is_reached(waits_.front().end)) {
    const Waits& waits = waits_.front();
    add(waits.cause,
        static_cast<double>(std::max<int64_t>(marks_->time_of(waits.end) - marks_->time_of(waits.begin), 0)) * 1e-9);
    marks_->release(waits.begin);
    marks_->release(waits.end);
    waits_.pop_front();
  }
  marks_->keep_time();
}

}  // namespace lockstep
