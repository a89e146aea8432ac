#include "core/stream.h"

#include "core/error.h"

#include <atomic>
#include <chrono>
#include <gtest/gtest.h>
#include <latch>
#include <string>
#include <thread>
#include <vector>

namespace lockstep {
namespace {

TEST(InlineStream, RunsAtTheCall) {
  Stream stream = Stream::inline_cpu();
  bool ran = false;
  stream.enqueue([&] { ran = true; });
  EXPECT_TRUE(ran);
  Event event;
  event.record(stream);
  EXPECT_TRUE(event.is_reached());
}

TEST(AsyncStream, RunsInOrderWithoutBlockingTheCaller) {
  Stream stream = Stream::async_cpu("test");
  std::latch go(1);
  std::vector<int> order;
  stream.enqueue([&] { go.wait(); });
  for (int i = 0; i < 100; ++i) stream.enqueue([&order, i] { order.push_back(i); });
  Event event;
  event.record(stream);
  EXPECT_FALSE(event.is_reached());
  go.count_down();
  event.synchronize();
  ASSERT_EQ(order.size(), 100U);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

TEST(AsyncStream, WaitsForAnotherStreamsEvent) {
  Stream first = Stream::async_cpu("first");
  Stream second = Stream::async_cpu("second");
  std::latch go(1);
  int value = 0, seen = -1;
  Event written;
  first.enqueue([&] { go.wait(); });
  first.enqueue([&] { value = 42; });
  written.record(first);
  second.wait(written);
  second.enqueue([&] { seen = value; });
  go.count_down();
  second.synchronize();
  EXPECT_EQ(seen, 42);
}

TEST(AsyncStream, EventKeepsThePointOfItsLastRecord) {
  Stream stream = Stream::async_cpu("test");
  Event event;
  EXPECT_TRUE(event.is_reached());  // never recorded
  event.record(stream);
  event.synchronize();
  std::latch go(1);
  stream.enqueue([&] { go.wait(); });
  event.record(stream);
  EXPECT_FALSE(event.is_reached());
  go.count_down();
  event.synchronize();
}

TEST(AsyncStream, FailureSkipsLaterTasksAndReachesWaiters) {
  Stream stream = Stream::async_cpu("test");
  Stream other = Stream::async_cpu("other");
  bool skipped = true, other_ran = false;
  stream.enqueue([] { LS_THROW(IoError, "disk is gone"); });
  stream.enqueue([&] { skipped = false; });
  Event event;
  event.record(stream);
  other.wait(event);
  other.enqueue([&] { other_ran = true; });
  EXPECT_THROW(event.synchronize(), IoError);
  EXPECT_THROW(other.synchronize(), IoError);
  EXPECT_THROW(stream.synchronize(), IoError);
  EXPECT_TRUE(skipped);
  EXPECT_FALSE(other_ran);
  stream.enqueue([&] { skipped = false; });  // a failure that was reported is over
  stream.synchronize();
  EXPECT_FALSE(skipped);
}

TEST(AsyncStream, DestructorRunsWhatIsQueued) {
  std::atomic<int> ran{0};
  {
    Stream stream = Stream::async_cpu("test");
    for (int i = 0; i < 50; ++i) stream.enqueue([&] { ++ran; });
  }
  EXPECT_EQ(ran, 50);
}

}  // namespace
}  // namespace lockstep
