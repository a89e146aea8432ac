// What a rank did and when: spans of time with a name, collected for `--trace FILE` (launcher/trace/ writes them). Off
// the main path: code takes a Tracer* from its OpContext, and a null one costs a branch a span.
//
// Times are nanoseconds of the host's steady clock. Work on a CUDA stream is timed by marks on both sides of it, read
// off after the stream has passed them (core/cuda_api.h). On a CUDA device host spans are NVTX ranges too.
// Thread-safety: one thread at a time, the one that drives the rank.
#pragma once

#include "core/device.h"
#include "core/stream.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

namespace lockstep {

class TimedMarks;
struct CudaCoreApi;

/// What a span keeps busy; each is a line of the picture. A stream's spans may be on any of the last three.
enum class TraceTrack : uint8_t { kHost, kCompute, kCollectives, kTransfers };
inline constexpr size_t kNumTraceTracks = 4;

/// Plain data; the texts are literals. `keys` names the values, comma-separated: "number,tokens,rows".
struct TraceSpan {
  static constexpr size_t kMostValues = 3;

  const char* name = "";
  const char* keys = "";
  std::array<int64_t, kMostValues> values{};
  int64_t begin = 0, end = 0;
  TraceTrack track = TraceTrack::kHost;
  uint8_t stream = 0;  // CUDA streams by number, in the order of their first spans: work of two streams may overlap
};

struct TracerOptions {
  /// Spans that are kept, 64 bytes each; memory grows with them. Beyond that, the oldest make room for new ones.
  int64_t capacity = int64_t{1} << 20;
  /// Also spans that come once a layer.
  bool layers = false;
};

class Tracer {
 public:
  /// `device`: whose streams the rank uses. Throws CudaError, and NotCompiled for CUDA without the CUDA module.
  explicit Tracer(Device device, const TracerOptions& options = {});
  ~Tracer();
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;

  /// Nanoseconds of the clock of all spans.
  static int64_t now();

  bool has_layers() const { return options_.layers; }
  void add(const TraceSpan& span) noexcept;

  /// Once a step, not while a graph is recorded: reads the marks of spans that ended two calls ago or earlier, as far
  /// as they were reached; never waits for the rank's streams. What is younger a peer may still have to take part in.
  void collect();
  /// After the streams were synchronised: reads all marks that are left.
  void collect_all();

  /// In the order in which they ended (of a stream: were read). Valid until the next call of anything else.
  std::vector<TraceSpan> spans() const;
  /// Spans that were left out: the oldest, and those of streams that fell too far behind.
  int64_t num_dropped() const { return num_dropped_; }

 private:
  friend class HostSpan;
  friend class StreamSpan;

  struct Pending {
    TraceSpan span;
    int32_t begin, end;  // marks
    uint64_t round;
  };

  int32_t mark(Stream& stream) noexcept;
  uint8_t number_of(const Stream& stream);
  void add_pending(const TraceSpan& span, int32_t begin, int32_t end) noexcept;
  bool resolve_oldest();

  TracerOptions options_;
  const CudaCoreApi* cuda_ = nullptr;  // null: a CPU rank
  std::unique_ptr<TimedMarks> marks_;
  std::vector<TraceSpan> ring_;
  size_t oldest_ = 0;  // once the ring is full
  std::deque<Pending> pending_;
  std::vector<void*> streams_;
  uint64_t round_ = 0;
  int64_t num_dropped_ = 0;
};

/// The time between construction and destruction, on the host's track. `name` and keys are literals.
class HostSpan {
 public:
  HostSpan(Tracer* tracer, const char* name) : tracer_(tracer) {
    if (tracer_ != nullptr) begin(name);
  }
  ~HostSpan() {
    if (tracer_ != nullptr) end();
  }
  HostSpan(const HostSpan&) = delete;
  HostSpan& operator=(const HostSpan&) = delete;

  void set(const char* keys, const std::array<int64_t, TraceSpan::kMostValues>& values) {
    span_.keys = keys;
    span_.values = values;
  }

 private:
  void begin(const char* name);
  void end() noexcept;

  Tracer* tracer_;
  TraceSpan span_;
};

/// The time that a stream takes for what is enqueued on it between construction and destruction. On a CPU stream, or
/// without one, that is the host's time. Left out while the stream is captured into a graph, and on a CPU for
/// kTransfers.
class StreamSpan {
 public:
  StreamSpan(Tracer* tracer, Stream* stream, const char* name, TraceTrack track = TraceTrack::kCompute,
             const char* key = "", int64_t value = 0)
      : tracer_(tracer) {
    if (tracer_ != nullptr) begin(stream, {name, key, {value, 0, 0}, 0, 0, track, 0});
  }
  ~StreamSpan() {
    if (tracer_ != nullptr) end();
  }
  StreamSpan(const StreamSpan&) = delete;
  StreamSpan& operator=(const StreamSpan&) = delete;

  /// A span of the compute track that is there with TracerOptions::layers only.
  static StreamSpan of_layer(Tracer* tracer, Stream* stream, int64_t layer) {
    return {tracer != nullptr && tracer->has_layers() ? tracer : nullptr,
            stream,
            "layer",
            TraceTrack::kCompute,
            "layer",
            layer};
  }

 private:
  void begin(Stream* stream, const TraceSpan& span);
  void end() noexcept;

  Tracer* tracer_;
  Stream* stream_ = nullptr;  // null: the host's time
  TraceSpan span_;
  int32_t mark_ = -1;
};

/// What `work` returns, its time as a HostSpan.
template <class Work>
decltype(auto) traced(Tracer* tracer, const char* name, Work&& work) {
  const HostSpan span(tracer, name);
  return work();
}

}  // namespace lockstep
