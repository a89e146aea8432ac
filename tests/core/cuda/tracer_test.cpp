// Times of work on a stream, and NVTX ranges.
#include "core/error.h"
#include "core/graph.h"
#include "core/trace.h"
#include "tests/core/cuda/device.h"

#include <chrono>
#include <gtest/gtest.h>
#include <string>
#include <thread>

namespace lockstep::test {
namespace {

constexpr int64_t kBytes = int64_t{8} << 20;
constexpr int64_t kClockError = 2'000'000;  // nanoseconds; generous, machines of tests are busy

struct Traced {
  explicit Traced(const TracerOptions& options = {}) : tracer(kDevice, options) {}

  void copy(const char* name) {
    const StreamSpan span(&tracer, &stream, name, TraceTrack::kTransfers, "bytes", kBytes);
    copy_async(stream, memory.data(), source.data(), kBytes);
  }
  std::vector<TraceSpan> finished() {
    stream.synchronize();
    tracer.collect_all();
    return tracer.spans();
  }

  Tracer tracer;
  Stream stream = Stream::cuda(kDevice);
  PinnedBuffer source = pattern(kBytes, 1);
  Buffer memory = Buffer(kBytes, kDevice);
};

TEST(CudaTracer, SpansOfAStreamLieWithinTheHostsTimes) {
  Traced one;
  const int64_t before = Tracer::now();
  {
    const StreamSpan all(&one.tracer, &one.stream, "all");
    one.copy("first");
    one.copy("second");
  }
  const std::vector<TraceSpan> spans = one.finished();
  const int64_t after = Tracer::now();
  ASSERT_EQ(spans.size(), 3U);
  EXPECT_STREQ(spans[0].name, "first");
  EXPECT_STREQ(spans[1].name, "second");
  EXPECT_STREQ(spans[2].name, "all");
  EXPECT_EQ(spans[0].track, TraceTrack::kTransfers);
  EXPECT_EQ(spans[2].track, TraceTrack::kCompute);
  EXPECT_EQ(spans[1].values[0], kBytes);
  for (const TraceSpan& span : spans) {
    EXPECT_LE(before - kClockError, span.begin) << span.name;
    EXPECT_LE(span.begin, span.end) << span.name;
    EXPECT_LE(span.end, after + kClockError) << span.name;
  }
  EXPECT_LT(spans[0].begin, spans[0].end);
  EXPECT_LE(spans[0].end, spans[1].begin + 1000);  // to the float's resolution
  EXPECT_LE(spans[2].begin, spans[0].begin + 1000);
  EXPECT_LE(spans[1].end, spans[2].end + 1000);
}

TEST(CudaTracer, NumbersStreams) {
  Traced one;
  Stream other = Stream::cuda(kDevice);
  one.copy("first");
  { const StreamSpan span(&one.tracer, &other, "second"); }
  one.copy("third");
  other.synchronize();
  const std::vector<TraceSpan> spans = one.finished();
  ASSERT_EQ(spans.size(), 3U);
  EXPECT_EQ(spans[0].stream, 0);
  EXPECT_EQ(spans[1].stream, 1);
  EXPECT_EQ(spans[2].stream, 0);
}

TEST(CudaTracer, ReadsSpansTwoRoundsLater) {
  Traced one;
  one.copy("copy");
  one.stream.synchronize();
  one.tracer.collect();
  EXPECT_TRUE(one.tracer.spans().empty());
  one.tracer.collect();
  EXPECT_EQ(one.tracer.spans().size(), 1U);
  for (int i = 0; i < 1000; ++i) {  // marks are used again
    one.copy("copy");
    one.tracer.collect();
    if (i % 10 == 0) one.stream.synchronize();
  }
  const std::vector<TraceSpan> spans = one.finished();
  ASSERT_EQ(spans.size(), 1001U);
  for (size_t i = 0; i < spans.size(); ++i) {
    ASSERT_LT(spans[i].begin, spans[i].end) << i;
    if (i > 0) {
      ASSERT_LE(spans[i - 1].end, spans[i].begin + 1000) << i;
    }
  }
  EXPECT_EQ(one.tracer.num_dropped(), 0);
}

TEST(CudaTracer, AGraphCanBeRecordedThroughSpans) {
  Traced one;
  Graph graph = Graph::capture(one.stream, [&] { one.copy("recorded"); });
  {
    const StreamSpan span(&one.tracer, &one.stream, "launch");
    graph.launch(one.stream);
  }
  EXPECT_TRUE(equal(fetch(one.stream, one.memory), one.source));
  const std::vector<TraceSpan> spans = one.finished();
  ASSERT_EQ(spans.size(), 1U);
  EXPECT_STREQ(spans[0].name, "launch");
  EXPECT_LE(spans[0].begin, spans[0].end);
}

// Marks from before the clocks were compared again.
TEST(CudaTracer, KeepsTimeOverSeconds) {
  Traced one;
  const int64_t before = Tracer::now();
  one.copy("early");
  one.stream.synchronize();
  const int64_t between = Tracer::now();
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));
  one.tracer.collect();
  const int64_t later = Tracer::now();
  one.copy("late");
  const std::vector<TraceSpan> spans = one.finished();
  const int64_t after = Tracer::now();
  ASSERT_EQ(spans.size(), 2U);
  EXPECT_LE(before - kClockError, spans[0].begin);
  EXPECT_LE(spans[0].end, between + kClockError);
  EXPECT_LE(later - kClockError, spans[1].begin);
  EXPECT_LE(spans[1].end, after + kClockError);
}

TEST(CudaTracer, HostSpansAreRangesToo) {
  Tracer tracer(kDevice);
  { const HostSpan span(&tracer, "host"); }
  EXPECT_EQ(tracer.spans().size(), 1U);
}

}  // namespace
}  // namespace lockstep::test
