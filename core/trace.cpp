#include "core/trace.h"

#include "core/cuda_api.h"

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

namespace lockstep {
namespace {

// Spans whose marks wait to be read: thousands of steps' worth; a stream that is further behind is stuck.
constexpr size_t kMostPending = size_t{1} << 16;
// Rounds before a mark is asked for. A rank that plans ahead publishes step n when step n - 2 is behind it.
constexpr uint64_t kPatience = 2;

}  // namespace

Tracer::Tracer(Device device, const TracerOptions& options) : options_(options) {
  options_.capacity = std::max<int64_t>(options_.capacity, 1);
  if (device.kind != DeviceKind::kCuda) return;
  cuda_ = &cuda_core();
  marks_ = cuda_->make_timed_marks(device);
}

Tracer::~Tracer() = default;

int64_t Tracer::now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void Tracer::add(const TraceSpan& span) noexcept {
  if (ring_.size() < static_cast<size_t>(options_.capacity)) {
    try {
      return ring_.push_back(span);
    } catch (const std::bad_alloc&) {  // a trace is not worth a job: it makes do with what it has
      options_.capacity = static_cast<int64_t>(ring_.size());
    }
  }
  ++num_dropped_;
  if (ring_.empty()) return;
  ring_[oldest_] = span;
  oldest_ = (oldest_ + 1) % ring_.size();
}

std::vector<TraceSpan> Tracer::spans() const {
  std::vector<TraceSpan> ordered = ring_;
  std::rotate(ordered.begin(), ordered.begin() + static_cast<std::ptrdiff_t>(oldest_), ordered.end());
  return ordered;
}

int32_t Tracer::mark(Stream& stream) noexcept { return marks_->record(stream); }

uint8_t Tracer::number_of(const Stream& stream) {
  const auto found = std::find(streams_.begin(), streams_.end(), stream.native());
  const auto number = static_cast<uint8_t>(found - streams_.begin());
  if (found == streams_.end()) streams_.push_back(stream.native());
  return number;
}

void Tracer::add_pending(const TraceSpan& span, int32_t begin, int32_t end) noexcept {
  try {
    if (end != TimedMarks::kNone && pending_.size() < kMostPending) {
      pending_.push_back({span, begin, end, round_});
      return;
    }
  } catch (const std::bad_alloc&) {  // counted below
  }
  marks_->release(begin);
  marks_->release(end);
  ++num_dropped_;
}

bool Tracer::resolve_oldest() {
  Pending& oldest = pending_.front();
  if (!marks_->is_reached(oldest.end)) return false;
  oldest.span.begin = marks_->time_of(oldest.begin);
  oldest.span.end = std::max(marks_->time_of(oldest.end), oldest.span.begin);
  marks_->release(oldest.begin);
  marks_->release(oldest.end);
  add(oldest.span);
  pending_.pop_front();
  return true;
}

void Tracer::collect() {
  if (!marks_) return;
  ++round_;
  while (!pending_.empty() && pending_.front().round + kPatience <= round_ && resolve_oldest()) {}
  marks_->keep_time();
}

void Tracer::collect_all() {
  while (!pending_.empty() && resolve_oldest()) {}
}

void HostSpan::begin(const char* name) {
  span_.name = name;
  if (tracer_->cuda_ != nullptr) tracer_->cuda_->range_push(name);
  span_.begin = Tracer::now();
}

void HostSpan::end() noexcept {
  span_.end = Tracer::now();
  if (tracer_->cuda_ != nullptr) tracer_->cuda_->range_pop();
  tracer_->add(span_);
}

void StreamSpan::begin(Stream* stream, const TraceSpan& span) {
  span_ = span;
  const bool is_cuda = stream != nullptr && stream->device().kind == DeviceKind::kCuda;
  if (is_cuda ? tracer_->marks_ == nullptr : span.track == TraceTrack::kTransfers) {
    tracer_ = nullptr;
  } else if (is_cuda) {
    stream_ = stream;
    span_.stream = tracer_->number_of(*stream);
    mark_ = tracer_->mark(*stream);
    if (mark_ == TimedMarks::kNone) tracer_ = nullptr;
  } else {
    span_.begin = Tracer::now();
  }
}

void StreamSpan::end() noexcept {
  if (stream_ == nullptr) {
    span_.end = Tracer::now();
    return tracer_->add(span_);
  }
  tracer_->add_pending(span_, mark_, tracer_->mark(*stream_));
}

}  // namespace lockstep
