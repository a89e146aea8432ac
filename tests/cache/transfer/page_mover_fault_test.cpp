// Faults of every kind: the transfer fails and is told, what reads its result fails, nothing else does.
#include "core/error.h"
#include "tests/cache/transfer/mover_rig.h"

#include <atomic>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lockstep::test {
namespace {

using testing::HasSubstr;

constexpr PageId kA{1}, kB{2};

/// Pages A and B on the device in slots 0 and 1, computed.
void compute_pages(Rig& rig) {
  rig.run(rig.plan({allocate(kA, 0), allocate(kB, 1)}), {{SlotId(0), kA}, {SlotId(1), kB}});
}

/// Both pages to the host and the disk and back to the host.
void go_round(Rig& rig) {
  compute_pages(rig);
  rig.run(rig.plan({to_host(kA, 0, 0), to_host(kB, 1, 1), to_disk(kA, 0), to_disk(kB, 1)}));
  rig.run(rig.plan({from_disk(kA, 2), from_disk(kB, 3)}));
}

TEST(PageMoverFault, ACopyToTheHostFailsAndWhatReadsItToo) {
  Rig rig({.faults = "host_copy:nth=1"});
  go_round(rig);
  const auto failures = rig.settle();
  ASSERT_EQ(failures.size(), 3U);
  EXPECT_EQ(failures[0].channel, TransferChannel::kToHost);
  EXPECT_EQ(failures[0].number, 1U);
  EXPECT_EQ(failures[0].page, kA);
  EXPECT_THAT(failures[0].reason, HasSubstr("injected: the copy failed"));
  EXPECT_EQ(failures[1].channel, TransferChannel::kToDisk);
  EXPECT_THAT(failures[1].reason, HasSubstr("the copy it reads failed"));
  EXPECT_EQ(failures[2].channel, TransferChannel::kFromDisk);
  EXPECT_EQ(failures[2].page, kA);
  EXPECT_EQ(rig.mover->stats().channels[0].failures, 1);

  // A later copy into the slot is good again.
  const StepPlan plan = rig.plan({to_host(kB, 1, 0), to_device(kB, 0, 2)}, true);
  EXPECT_TRUE(rig.run(plan, {}, {{SlotId(2), kB}, {SlotId(0), kA}}));
  EXPECT_TRUE(rig.mover->confirm(plan).empty());
}

// The copy failed long before somebody reads it.
TEST(PageMoverFault, AFailureIsRememberedWithTheSlot) {
  Rig rig({.faults = "host_copy:nth=1"});
  compute_pages(rig);
  rig.run(rig.plan({to_host(kA, 0, 0)}));
  EXPECT_EQ(rig.settle().size(), 1U);
  const StepPlan plan = rig.plan({to_device(kA, 0, 2), to_device(kA, 0, 3)}, true);
  rig.run(plan);
  EXPECT_EQ(rig.mover->confirm(plan), (std::vector<PageId>{kA, kA}));
  EXPECT_EQ(rig.settle().size(), 2U);
}

TEST(PageMoverFault, ADeviceSlotThatIsComputedAnewHasNoOldFailure) {
  Rig rig({.faults = "host_copy:channel=to_device:nth=1"});
  compute_pages(rig);
  const StepPlan lost = rig.plan({to_host(kA, 0, 0), to_device(kA, 0, 2)}, true);
  rig.run(lost);
  EXPECT_EQ(rig.mover->confirm(lost), std::vector<PageId>{kA});
  constexpr PageId kC{3};
  rig.run(rig.plan({allocate(kC, 2)}), {{SlotId(2), kC}});
  const StepPlan plan = rig.plan({to_host(kC, 2, 1), to_device(kC, 1, 3)}, true);
  EXPECT_TRUE(rig.run(plan, {}, {{SlotId(3), kC}}));
  EXPECT_TRUE(rig.mover->confirm(plan).empty());
}

TEST(PageMoverFault, AFlippedBitIsFoundOnTheWayUp) {
  for (const char* faults : {"bit_flip:nth=1:channel=to_host", "bit_flip:nth=1:channel=from_disk"}) {
    Rig rig({.faults = faults});
    go_round(rig);
    const auto before = rig.settle();
    const bool is_on_the_way_down = before.size() == 2;  // the test's store refuses the write; nothing is read
    EXPECT_TRUE(is_on_the_way_down || before.empty());
    const StepPlan plan = rig.plan({to_device(kA, is_on_the_way_down ? 0 : 2, 2), to_device(kB, 1, 3)}, true);
    EXPECT_TRUE(rig.run(plan, {}, {{SlotId(3), kB}}));
    EXPECT_EQ(rig.mover->confirm(plan), std::vector<PageId>{kA});
    const auto failures = rig.settle();
    ASSERT_EQ(failures.size(), 1U);
    EXPECT_THAT(failures[0].reason, testing::AllOf(HasSubstr("page 1"), HasSubstr("CRC32C"), HasSubstr("layer")));
  }
}

TEST(PageMoverFault, EveryBitOfAHostSlotCounts) {
  KvLayout layout = small_layout();
  layout.format = KvFormat::kFull;
  layout.wide_keys = {};
  layout.num_kv_heads = layout.num_layers = 1;
  layout.page_tokens = layout.head_dim = 2;
  Rig rig({.layout = layout});
  rig.run(rig.plan({allocate(kA, 0)}), {{SlotId(0), kA}});
  rig.run(rig.plan({to_host(kA, 0, 0)}));
  EXPECT_TRUE(rig.settle().empty());
  for (int64_t bit = 0; bit < layout.head_bytes() * 8; ++bit) {
    const auto flip = [&] { rig.host_pool.slot(SlotId(0))[static_cast<size_t>(bit / 8)] ^= std::byte(1 << bit % 8); };
    flip();
    const StepPlan plan = rig.plan({to_device(kA, 0, 1)}, true);
    rig.run(plan);
    ASSERT_EQ(rig.mover->confirm(plan).size(), 1U) << bit;
    flip();
  }
  const StepPlan plan = rig.plan({to_device(kA, 0, 1)}, true);
  EXPECT_TRUE(rig.run(plan, {}, {{SlotId(1), kA}}));
  EXPECT_TRUE(rig.mover->confirm(plan).empty());
}

TEST(PageMoverFault, TheDiskFails) {
  struct Case {
    const char *faults, *reason;
    TransferChannel channel;
    size_t failures;  // what reads a page that was not written fails too
  };
  for (const Case& one : {Case{"disk_write:nth=2", "cannot be written", TransferChannel::kToDisk, 2},
                          Case{"enospc:nth=2", "no space left", TransferChannel::kToDisk, 2},
                          Case{"disk_read:nth=2", "cannot be read", TransferChannel::kFromDisk, 1},
                          Case{"vanish:nth=2", "gone", TransferChannel::kFromDisk, 1}}) {
    Rig rig({.faults = one.faults});
    go_round(rig);
    const auto failures = rig.settle();
    ASSERT_EQ(failures.size(), one.failures) << one.faults;
    EXPECT_EQ(failures[0].channel, one.channel) << one.faults;
    EXPECT_EQ(failures[0].page, kB) << one.faults;
    EXPECT_THAT(failures[0].reason, HasSubstr(one.reason)) << one.faults;
    const StepPlan plan = rig.plan({to_device(kA, 2, 2)}, true);
    EXPECT_TRUE(rig.run(plan, {}, {{SlotId(2), kA}})) << one.faults;
  }
}

/// Fails in the ways in which a store may not.
class BadFile final : public PageFile {
 public:
  std::vector<Result> write(std::span<const Write>) override { LS_THROW(IoError, "the store broke"); }
  std::vector<Result> read(std::span<const Read>) override { return {}; }
  Result forget(std::span<const Hash128>) override { LS_THROW(IoError, "the store broke"); }
};

TEST(PageMoverFault, AStoreThatThrowsFailsItsBatchOnly) {
  BadFile file;  // outlives the mover
  Rig rig({});
  rig.mover = std::make_unique<PageMover>(rig.context, rig.device_pool, &rig.host_pool, &file);
  compute_pages(rig);
  rig.run(rig.plan({to_host(kA, 0, 0), to_disk(kA, 0)}));
  auto failures = rig.settle();
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_THAT(failures[0].reason, HasSubstr("the store broke"));
  rig.run(rig.plan({from_disk(kA, 1), evict_disk(kA)}));
  failures = rig.settle();
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_THAT(failures[0].reason, HasSubstr("answered for 0 of 1 pages"));
}

TEST(PageMoverFault, AHangingTransferFailsByItsTimeout) {
  for (const char* channel : {"to_host", "to_device", "to_disk", "from_disk"}) {
    Rig rig({.faults = fmt::format("timeout:nth=1:channel={}", channel),
             .mover = {.timeout = std::chrono::milliseconds(400), .piece_bytes = 1}});
    go_round(rig);
    const StepPlan plan = rig.plan({to_device(kA, 2, 2), to_device(kB, 3, 3)}, true);
    EXPECT_TRUE(rig.run(plan, {}, {{SlotId(3), kB}})) << channel;
    EXPECT_EQ(rig.mover->confirm(plan), std::vector<PageId>{kA}) << channel;
    const auto failures = rig.settle();
    ASSERT_FALSE(failures.empty()) << channel;
    for (const TransferFailure& failure : failures) EXPECT_EQ(failure.page, kA) << channel;
    EXPECT_THAT(failures[0].reason, HasSubstr("longer than 400 ms")) << channel;
  }
}

// The disk does not come back: what waits behind its host slot fails in its turn, and nobody hangs.
TEST(PageMoverFault, WhatWaitsBehindAStuckTransferFailsToo) {
  std::atomic<bool> may_go{false};
  Rig rig({.mover = {.timeout = std::chrono::milliseconds(100), .piece_bytes = 1}});
  rig.file.before_batch = [&] { may_go.wait(false); };
  compute_pages(rig);
  rig.run(rig.plan({to_host(kA, 0, 0), to_disk(kA, 0)}));
  // The slot is given away while the disk reads it; the device slot behind is given away as well.
  rig.run(rig.plan({evict_host(kA, 0), to_host(kB, 1, 0), evict(kB, 1)}));
  constexpr PageId kC{3};
  EXPECT_TRUE(rig.run(rig.plan({allocate(kC, 1)}), {{SlotId(1), kC}}, {{SlotId(1), kC}}));
  const auto failures = rig.settle();
  ASSERT_EQ(failures.size(), 2U);
  EXPECT_EQ(failures[0].page, kA);
  EXPECT_EQ(failures[1].page, kB);
  may_go = true;
  may_go.notify_all();
  EXPECT_TRUE(rig.run(rig.plan({to_host(kC, 1, 0)}), {}, {{SlotId(1), kC}}));
}

TEST(PageMoverFault, DivergenceIsAskedFor) {
  Rig rig({.faults = "diverge:rank=0:step=3"});
  EXPECT_FALSE(rig.mover->diverges(2));
  EXPECT_TRUE(rig.mover->diverges(3));
}

}  // namespace
}  // namespace lockstep::test
