// The order of transfers, hazard by hazard, without threads; on a CPU rank and where events order device copies.
#include "cache/transfer/transfer_graph.h"

#include "tests/cache/transfer/mover_rig.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <thread>

namespace lockstep::test {
namespace {

using Ptr = TransferGraph::Ptr;

constexpr PageId kA{1}, kB{2};

struct Graph {
  explicit Graph(bool has_events, TransferClock::duration timeout = std::chrono::minutes(5))
      : graph({.num_device_slots = 4,
               .num_host_slots = 4,
               .has_disk = true,
               .has_events = has_events,
               .timeout = timeout}) {}

  Ptr add(const PageOp& op) { return graph.add(op, 0, 10, 1, {}, nullptr); }
  /// A host slot that something was copied into, long ago.
  void fill(int host_slot) {
    const Ptr transfer = add(to_host(PageId(99), 3, host_slot));
    finish(transfer);
  }
  void finish(const Ptr& transfer) {
    ASSERT_TRUE(graph.start(transfer));
    graph.release(transfer);
  }
  bool is_ready(const Ptr& transfer) const { return transfer->stage == TransferStage::kReady; }

  TransferGraph graph;
};

/// What a pair of ops on a shared slot needs: may the second start before the first is released?
struct HazardCase {
  const char* name;
  PageOp first, second;
  bool follows;          // it must not
  bool event_is_enough;  // where there are events, it may once the first is enqueued
};

const HazardCase kHazards[] = {
    {"ReadAfterWriteDevice", to_device(kA, 0, 1), to_host(kA, 1, 1), true, true},
    {"WriteAfterReadDevice", to_host(kA, 1, 1), to_device(kB, 0, 1), true, true},
    {"WriteAfterWriteDevice", to_device(kA, 0, 1), to_device(kB, 2, 1), true, true},
    {"ReadAfterReadDevice", to_host(kA, 1, 1), to_host(kA, 1, 3), false, false},
    {"ReadAfterWriteHostUp", to_host(kA, 1, 0), to_device(kA, 0, 2), true, false},
    {"ReadAfterWriteHostDown", to_host(kA, 1, 0), to_disk(kA, 0), true, false},
    {"ReadAfterWriteFromDisk", from_disk(kA, 0), to_device(kA, 0, 2), true, false},
    {"WriteAfterReadHostUp", to_device(kA, 0, 1), to_host(kB, 2, 0), true, true},
    {"WriteAfterReadHostDown", to_disk(kA, 0), to_host(kB, 2, 0), true, false},
    {"WriteAfterReadHostByDisk", to_device(kA, 0, 1), from_disk(kB, 0), true, false},
    {"WriteAfterWriteHost", to_host(kA, 1, 0), to_host(kB, 2, 0), true, false},
    {"WriteAfterWriteHostByDisk", from_disk(kA, 0), to_host(kB, 2, 0), true, false},
    {"ReadAfterReadHost", to_device(kA, 0, 1), to_disk(kA, 0), false, false},
    {"ReadAfterWriteDisk", to_disk(kA, 0), from_disk(kA, 1), true, false},
    {"ForgetAfterWriteDisk", to_disk(kA, 0), evict_disk(kA), true, false},
    {"ForgetAfterReadDisk", from_disk(kA, 0), evict_disk(kA), true, false},
    {"WriteAfterForgetDisk", evict_disk(kA), to_disk(kA, 0), true, false},
    {"ReadAfterReadDisk", from_disk(kA, 0), from_disk(kA, 1), false, false},
    {"OtherKeysDisk", to_disk(kA, 0), from_disk(kB, 1), false, false},
    {"OtherSlots", to_host(kA, 1, 1), to_device(kB, 0, 2), false, false},
};

class TransferHazard : public testing::TestWithParam<HazardCase> {};

TEST_P(TransferHazard, TheSecondFollowsTheFirst) {
  const HazardCase& one = GetParam();
  for (const bool has_events : {false, true}) {
    Graph test(has_events);
    for (const int slot : {0, 2}) test.fill(slot);
    const Ptr first = test.add(one.first), second = test.add(one.second);
    EXPECT_TRUE(test.is_ready(first));
    EXPECT_EQ(test.is_ready(second), !one.follows);
    ASSERT_TRUE(test.graph.start(first));
    EXPECT_EQ(test.is_ready(second), !one.follows);
    test.graph.set_enqueued(first);
    const bool is_behind_an_event = has_events && one.event_is_enough;
    EXPECT_EQ(test.is_ready(second), !one.follows || is_behind_an_event);
    EXPECT_EQ(std::count(second->behind.begin(), second->behind.end(), first), is_behind_an_event ? 1 : 0);
    test.graph.release(first);
    EXPECT_TRUE(test.is_ready(second));
    const auto ready = test.graph.take_ready();
    EXPECT_EQ(std::count(ready.begin(), ready.end(), second), 1);
    test.finish(second);
    EXPECT_TRUE(test.graph.is_idle());
  }
}

INSTANTIATE_TEST_SUITE_P(All, TransferHazard, testing::ValuesIn(kHazards),
                         [](const auto& one) { return std::string(one.param.name); });

// Added when the first is enqueued already: its end is not counted twice.
TEST(TransferGraph, AUseBehindAnEnqueuedCopyIsReadyAtOnce) {
  Graph test(true);
  test.fill(0);
  const Ptr first = test.add(to_host(kA, 1, 1));
  ASSERT_TRUE(test.graph.start(first));
  test.graph.set_enqueued(first);
  const Ptr second = test.add(to_device(kB, 0, 1)), third = test.add(to_disk(kA, 1));
  EXPECT_TRUE(test.is_ready(second));
  EXPECT_FALSE(test.is_ready(third));
  test.graph.release(first);
  EXPECT_TRUE(test.is_ready(third));
  EXPECT_EQ(second->num_blockers, 0);
}

TEST(TransferGraph, AComputationFollowsAllThatUseTheSlot) {
  Graph test(false);
  test.fill(0);
  const Ptr writer = test.add(to_device(kA, 0, 1)), reader = test.add(to_host(kA, 1, 1));
  EXPECT_EQ(test.graph.give_to_computation(SlotId(1)), (std::vector<Ptr>{writer, reader}));
  test.finish(writer);
  EXPECT_EQ(test.graph.give_to_computation(SlotId(1)), std::vector<Ptr>{reader});
  test.finish(reader);
  EXPECT_TRUE(test.graph.give_to_computation(SlotId(1)).empty());
}

TEST(TransferGraph, CountersWaitForTheOldest) {
  Graph test(false);
  const Ptr first = test.add(to_host(kA, 0, 0)), second = test.add(to_host(kA, 0, 1)),
            third = test.add(to_host(kA, 0, 2));
  EXPECT_EQ(test.graph.open_bytes(TransferChannel::kToHost), 30);
  test.finish(third);
  EXPECT_EQ(test.graph.take_report().done_through[0], 0U);
  EXPECT_EQ(test.graph.progress(), 0U);
  test.graph.start(first);
  test.graph.settle(first, "broke");
  EXPECT_EQ(test.graph.open_bytes(TransferChannel::kToHost), 10);
  const TransferReport report = test.graph.take_report();
  EXPECT_EQ(report.done_through[0], 1U);
  ASSERT_EQ(report.failures.size(), 1U);
  EXPECT_EQ(report.failures[0].number, 1U);
  EXPECT_TRUE(test.graph.take_report().failures.empty());
  test.finish(second);
  EXPECT_EQ(test.graph.take_report().done_through[0], 3U);
  EXPECT_EQ(test.graph.stats()[0].failures, 1);
  EXPECT_EQ(test.graph.stats()[0].bytes, 20);
}

// Done by its time-out, but a thread is still in it: what follows must not start.
TEST(TransferGraph, ATransferThatIsOverItsTimeKeepsItsSlots) {
  Graph test(false, std::chrono::milliseconds(1));
  const Ptr stuck = test.add(to_host(kA, 1, 0));
  ASSERT_TRUE(test.graph.start(stuck));
  const Ptr next = test.add(to_host(kB, 2, 0));
  const Ptr reader = test.add(to_disk(kB, 0));
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_TRUE(test.graph.expire(TransferClock::now()));
  EXPECT_TRUE(stuck->has_failed);
  EXPECT_FALSE(next->is_done);  // its own time began now
  EXPECT_FALSE(test.is_ready(next));
  EXPECT_EQ(test.graph.give_to_computation(SlotId(1)), std::vector<Ptr>{stuck});
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_TRUE(test.graph.expire(TransferClock::now()));
  EXPECT_TRUE(next->has_failed);
  EXPECT_EQ(next->stage, TransferStage::kReleased);
  // A third one follows the stuck one still, although the second is gone.
  const Ptr third = test.add(to_host(kB, 2, 0));
  EXPECT_FALSE(test.is_ready(third));
  EXPECT_FALSE(test.is_ready(reader));
  test.graph.release(stuck);
  EXPECT_FALSE(test.graph.start(reader));  // its source failed
  EXPECT_EQ(reader->reason, "the copy it reads failed");
  EXPECT_TRUE(test.is_ready(third));
}

TEST(TransferGraph, CancelsWhatNobodyTookUp) {
  Graph test(false);
  const Ptr running = test.add(to_host(kA, 1, 0)), waiting = test.add(to_disk(kA, 0)),
            forget = test.add(evict_disk(kB));
  ASSERT_TRUE(test.graph.start(running));
  EXPECT_EQ(test.graph.take_ready(), (std::vector<Ptr>{running, forget}));
  test.graph.cancel_waiting("over");
  EXPECT_FALSE(running->is_done);
  EXPECT_EQ(waiting->reason, "over");
  EXPECT_EQ(forget->stage, TransferStage::kReady);
  test.graph.release(running);
  EXPECT_TRUE(test.graph.take_ready().empty());
  test.finish(forget);
  EXPECT_TRUE(test.graph.is_idle());
}

}  // namespace
}  // namespace lockstep::test
