#include "core/cuda/timed_mark.h"

#include "core/cuda/check.h"
#include "core/trace.h"

#include <limits>
#include <utility>
#include <vector>

namespace lockstep::cuda {
namespace {

// Between two comparisons of the clocks they drift apart by tens of microseconds at most, and the float that CUDA
// measures in, milliseconds, still resolves a quarter of one.
constexpr int64_t kAnchorLife = 2'000'000'000;
constexpr int kAnchorTries = 3;

class TimedEvent {
 public:
  TimedEvent() { LS_CUDA(cudaEventCreateWithFlags(&event_, cudaEventDefault)); }
  TimedEvent(TimedEvent&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  TimedEvent& operator=(TimedEvent&& other) noexcept {
    std::swap(event_, other.event_);
    return *this;
  }
  ~TimedEvent() {
    if (event_ != nullptr) cudaEventDestroy(event_);
  }
  cudaEvent_t get() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

/// An event whose time on the host's clock is known.
struct Anchor {
  TimedEvent event;
  int64_t host_time = 0;
};

class EventMarks final : public TimedMarks {
 public:
  explicit EventMarks(Device device) : device_(device) {
    LS_CUDA(cudaSetDevice(device.ordinal));
    LS_CUDA(cudaStreamCreateWithFlags(&idle_, cudaStreamNonBlocking));
    drop_anchor();
  }
  ~EventMarks() override { cudaStreamDestroy(idle_); }
  EventMarks(const EventMarks&) = delete;
  EventMarks& operator=(const EventMarks&) = delete;

  int32_t record(Stream& stream) noexcept override {
    auto* const native = static_cast<cudaStream_t>(stream.native());
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    if (cudaStreamIsCapturing(native, &status) != cudaSuccess) return failed();
    if (status != cudaStreamCaptureStatusNone) return kNone;
    try {
      if (free_.empty()) {
        LS_CUDA(cudaSetDevice(device_.ordinal));
        events_.emplace_back();
        free_.reserve(events_.size());  // release() needs no memory then
        free_.push_back(static_cast<int32_t>(events_.size()) - 1);
      }
    } catch (...) {
      return kNone;
    }
    const int32_t mark = free_.back();
    if (cudaEventRecord(events_[static_cast<size_t>(mark)].get(), native) != cudaSuccess) return failed();
    free_.pop_back();
    return mark;
  }

  bool is_reached(int32_t mark) const override {
    const cudaError_t status = cudaEventQuery(events_[static_cast<size_t>(mark)].get());
    if (status == cudaErrorNotReady) return false;
    LS_CUDA(status);
    return true;
  }

  int64_t time_of(int32_t mark) const override {
    float milliseconds = 0.0F;
    LS_CUDA(cudaEventElapsedTime(&milliseconds, anchor_.event.get(), events_[static_cast<size_t>(mark)].get()));
    return anchor_.host_time + static_cast<int64_t>(static_cast<double>(milliseconds) * 1e6);
  }

  void release(int32_t mark) noexcept override {
    if (mark != kNone) free_.push_back(mark);
  }

  void keep_time() override {
    if (Tracer::now() - anchor_.host_time > kAnchorLife) drop_anchor();
  }

 private:
  // Takes the error along, so that it is not taken for one of the next launch.
  static int32_t failed() noexcept {
    static_cast<void>(cudaGetLastError());
    return kNone;
  }

  // The stream is idle, so an event on it is reached at once whatever the other streams do: at some time between the
  // two looks at the host's clock. The closest two of some tries count.
  void drop_anchor() {
    LS_CUDA(cudaSetDevice(device_.ordinal));
    int64_t least = std::numeric_limits<int64_t>::max();
    for (int i = 0; i < kAnchorTries; ++i) {
      Anchor next;
      const int64_t before = Tracer::now();
      LS_CUDA(cudaEventRecord(next.event.get(), idle_));
      LS_CUDA(cudaEventSynchronize(next.event.get()));
      const int64_t took = Tracer::now() - before;
      if (took >= least) continue;
      least = took;
      next.host_time = before + took / 2;
      anchor_ = std::move(next);
    }
  }

  const Device device_;
  cudaStream_t idle_ = nullptr;
  Anchor anchor_;
  std::vector<TimedEvent> events_;
  std::vector<int32_t> free_;
};

}  // namespace

std::unique_ptr<TimedMarks> make_timed_marks(Device device) { return std::make_unique<EventMarks>(device); }

}  // namespace lockstep::cuda
