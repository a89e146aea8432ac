#include "launcher/trace/trace_json.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

namespace lockstep {
namespace {

using Json = nlohmann::json;

Json events(const std::string& text) { return Json::parse("[" + text.substr(1) + "]"); }

TraceSpan span(TraceTrack track, int64_t begin, int64_t end) {
  return {.name = "s", .begin = begin, .end = end, .track = track};
}

TEST(TraceJson, ASpanIsACompleteEventInMicroseconds) {
  const TraceSpan one{.name = "step",
                      .keys = "number,tokens,rows",
                      .values = {3, 40, -1},
                      .begin = 1'002'003'004,
                      .end = 1'002'010'005,
                      .track = TraceTrack::kTransfers};
  const Json event = events(format_spans(5, std::vector{one, span(TraceTrack::kHost, 0, 9)}, 1'000'000'000));
  ASSERT_EQ(event.size(), 2U);
  EXPECT_EQ(event[0], Json::parse(R"({"ph":"X","name":"step","pid":5,"tid":3,"ts":2003.004,"dur":7.001,
                                      "args":{"number":3,"tokens":40,"rows":-1}})"));
  EXPECT_FALSE(event[1].contains("args"));
  TraceSpan other = span(TraceTrack::kCompute, 0, 9);
  other.stream = 2;
  EXPECT_FALSE(event[1].contains("args"));
  EXPECT_EQ(events(format_spans(5, std::vector{other}, 0))[0]["args"], Json::parse(R"({"stream":2})"));
  EXPECT_EQ(event[1]["ts"], 0.0);  // began before the trace
  EXPECT_EQ(event[1]["dur"], 0.0);
}

TEST(TraceJson, NamesAreEscaped) {
  const Json event = events(format_process({.rank = 2, .name = "rank \"2\"", .labels = "a\\b\xff"}));
  EXPECT_EQ(event[0]["args"]["name"], "rank \"2\"");
  EXPECT_EQ(event[1]["args"]["labels"], "a\\b\uFFFD");
  std::vector<std::string> threads;
  for (const Json& one : event) {
    EXPECT_EQ(one["pid"], 2);
    if (one["name"] == "thread_name") threads.push_back(one["args"]["name"]);
  }
  EXPECT_EQ(threads, (std::vector<std::string>{"host", "compute", "collectives", "transfers"}));
}

TEST(TraceJson, SpansThatCrossAreCutToNest) {
  using enum TraceTrack;
  std::vector<TraceSpan> spans = {span(kCompute, 12, 25), span(kHost, 0, 100), span(kCompute, 10, 20),
                                  span(kCompute, 20, 30), span(kHost, 0, 40),  span(kCompute, 10, 11)};
  sort_and_nest(spans);
  const std::vector<std::pair<int64_t, int64_t>> expected = {{0, 100}, {0, 40}, {10, 20}, {10, 11}, {12, 20}, {20, 30}};
  ASSERT_EQ(spans.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(spans[i].begin, expected[i].first) << i;
    EXPECT_EQ(spans[i].end, expected[i].second) << i;
  }
}

TEST(TraceJson, AnySpansNestInTheEnd) {
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    std::vector<TraceSpan> spans;
    for (int i = 0; i < 20; ++i) {
      const auto begin = static_cast<int64_t>(random() % 40), length = static_cast<int64_t>(random() % 10);
      spans.push_back(span(static_cast<TraceTrack>(random() % kNumTraceTracks), begin, begin + length));
    }
    sort_and_nest(spans);
    for (const TraceSpan& a : spans) {
      ASSERT_LE(a.begin, a.end);
      for (const TraceSpan& b : spans) {
        const bool cross = a.track == b.track && a.begin < b.begin && b.begin < a.end && a.end < b.end;
        ASSERT_FALSE(cross) << a.begin << ".." << a.end << " and " << b.begin << ".." << b.end;
      }
    }
  }
}

}  // namespace
}  // namespace lockstep
