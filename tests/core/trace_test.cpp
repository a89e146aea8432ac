#include "core/trace.h"

#include <gtest/gtest.h>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {
namespace {

std::vector<std::string> names(const std::vector<TraceSpan>& spans) {
  std::vector<std::string> result;
  for (const TraceSpan& span : spans) result.emplace_back(span.name);
  return result;
}

TEST(Tracer, HostSpansNestAndComeInTheOrderOfTheirEnds) {
  Tracer tracer(Device::cpu());
  {
    HostSpan outer(&tracer, "outer");
    outer.set("number,rows", {7, 3, 0});
    { const HostSpan inner(&tracer, "inner"); }
    EXPECT_EQ(traced(&tracer, "value", [] { return 5; }), 5);
  }
  const std::vector<TraceSpan> spans = tracer.spans();
  ASSERT_EQ(names(spans), (std::vector<std::string>{"inner", "value", "outer"}));
  const TraceSpan &inner = spans[0], &value = spans[1], &outer = spans[2];
  EXPECT_LE(outer.begin, inner.begin);
  EXPECT_LE(inner.begin, inner.end);
  EXPECT_LE(inner.end, value.begin);
  EXPECT_LE(value.end, outer.end);
  EXPECT_STREQ(outer.keys, "number,rows");
  EXPECT_EQ(outer.values[0], 7);
  EXPECT_EQ(outer.values[1], 3);
  EXPECT_STREQ(inner.keys, "");
  for (const TraceSpan& span : spans) EXPECT_EQ(span.track, TraceTrack::kHost);
  EXPECT_EQ(tracer.num_dropped(), 0);
}

TEST(Tracer, ASpanEndsWhenAnExceptionLeavesIt) {
  Tracer tracer(Device::cpu());
  EXPECT_THROW(traced(&tracer, "fails", []() -> int { throw 1; }), int);
  EXPECT_EQ(names(tracer.spans()), std::vector<std::string>{"fails"});
}

TEST(Tracer, NewSpansTakeThePlaceOfTheOldest) {
  Tracer tracer(Device::cpu(), {.capacity = 4});
  for (int64_t i = 0; i < 11; ++i) tracer.add({.name = "one", .keys = "i", .values = {i, 0, 0}});
  const std::vector<TraceSpan> spans = tracer.spans();
  ASSERT_EQ(spans.size(), 4U);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(spans[i].values[0], static_cast<int64_t>(i) + 7);
  EXPECT_EQ(tracer.num_dropped(), 7);
}

TEST(Tracer, WithoutOneNothingHappens) {
  Stream stream = Stream::inline_cpu();
  HostSpan host(nullptr, "host");
  host.set("key", {1, 0, 0});
  const StreamSpan of_stream(nullptr, &stream, "stream");
  const auto layer = StreamSpan::of_layer(nullptr, &stream, 3);
  EXPECT_EQ(traced(nullptr, "value", [] { return 5; }), 5);
}

// A CPU rank's stream computes at the call; staged transports pass none.
TEST(Tracer, WorkOfACpuStreamIsTimedOnTheHost) {
  Tracer tracer(Device::cpu());
  Stream stream = Stream::inline_cpu();
  const int64_t before = Tracer::now();
  {
    const StreamSpan forward(&tracer, &stream, "forward", TraceTrack::kCompute, "tokens", 12);
    const StreamSpan sum(&tracer, nullptr, "sum", TraceTrack::kCollectives);
  }
  const int64_t after = Tracer::now();
  tracer.collect();
  tracer.collect_all();
  const std::vector<TraceSpan> spans = tracer.spans();
  ASSERT_EQ(names(spans), (std::vector<std::string>{"sum", "forward"}));
  EXPECT_EQ(spans[0].track, TraceTrack::kCollectives);
  EXPECT_EQ(spans[1].track, TraceTrack::kCompute);
  EXPECT_EQ(spans[1].values[0], 12);
  for (const TraceSpan& span : spans) {
    EXPECT_LE(before, span.begin);
    EXPECT_LE(span.begin, span.end);
    EXPECT_LE(span.end, after);
  }
}

TEST(Tracer, CpuRanksHaveNoTransfers) {
  Tracer tracer(Device::cpu());
  Stream stream = Stream::inline_cpu();
  { const StreamSpan upload(&tracer, &stream, "upload", TraceTrack::kTransfers); }
  EXPECT_TRUE(tracer.spans().empty());
}

TEST(Tracer, LayersAreTracedOnDemand) {
  Stream stream = Stream::inline_cpu();
  for (const bool layers : {false, true}) {
    Tracer tracer(Device::cpu(), {.layers = layers});
    for (int64_t layer = 0; layer < 3; ++layer) StreamSpan::of_layer(&tracer, &stream, layer);
    const std::vector<TraceSpan> spans = tracer.spans();
    ASSERT_EQ(spans.size(), layers ? 3U : 0U);
    for (size_t i = 0; i < spans.size(); ++i) EXPECT_EQ(spans[i].values[0], static_cast<int64_t>(i));
  }
}

}  // namespace
}  // namespace lockstep
