// Pages that a computation reads in host slots: it waits for the copy, every failure of it is confirmed, and the slot
// is not overwritten under it.
#include "tests/cache/transfer/mover_rig.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

namespace lockstep::test {
namespace {

using testing::HasSubstr;

constexpr PageId kA{1}, kB{2}, kC{3};
const MoverOptions kReadsHost{.timeout = std::chrono::minutes(5), .piece_bytes = 1, .reads_host = true};

PageOp offload(PageId page, int slot, int host_slot) {
  return {PageOpKind::kEvict, page, SlotId(slot), Tier::kDevice, SlotId(host_slot)};
}

void compute_pages(Rig& rig) {
  rig.run(rig.plan({allocate(kA, 0), allocate(kB, 1)}), {{SlotId(0), kA}, {SlotId(1), kB}});
}

bool holds(Rig& rig, SlotId host_slot, PageId page) {
  const KvLayout layout = rig.layout();
  for (int64_t head = 0; head < layout.num_kv_heads; ++head) {
    for (int64_t layer = 0; layer < layout.num_layers; ++layer) {
      const auto block = rig.host_pool.block(host_slot, head, layer);
      for (size_t at = 0; at < block.size(); ++at) {
        if (block[at] != byte_of(page, head, layer, static_cast<int64_t>(at))) return false;
      }
    }
  }
  return true;
}

TEST(PageMoverInPlace, TheComputationWaitsForTheCopy) {
  Rig rig({.faults = "delay:ms=50:channel=to_host", .mover = kReadsHost});
  compute_pages(rig);
  const StepPlan plan = rig.plan({to_host(kA, 0, 2), offload(kA, 0, 2), allocate(kC, 0)}, true);
  rig.mover->begin(plan);
  EXPECT_TRUE(holds(rig, SlotId(2), kA));
  rig.mover->end(plan);
  EXPECT_TRUE(rig.mover->confirm(plan).empty());
}

// The copy is of an earlier plan, and its slot on the device nobody's yet.
TEST(PageMoverInPlace, TheComputationWaitsForAnEarlierCopyToo) {
  Rig rig({.faults = "delay:ms=50:channel=to_host", .mover = kReadsHost});
  compute_pages(rig);
  rig.run(rig.plan({to_host(kA, 0, 2)}));
  const StepPlan plan = rig.plan({offload(kA, 0, 2)}, true);
  rig.mover->begin(plan);
  EXPECT_TRUE(holds(rig, SlotId(2), kA));
  rig.mover->end(plan);
  EXPECT_TRUE(rig.mover->confirm(plan).empty());
}

TEST(PageMoverInPlace, AFailureIsConfirmedByThePlanThatReadsItFirst) {
  for (const char* faults : {"host_copy:nth=1", "bit_flip:nth=1:channel=to_host"}) {
    for (const bool is_earlier : {false, true}) {
      SCOPED_TRACE(fmt::format("{}, {}", faults, is_earlier));
      Rig rig({.faults = faults, .mover = kReadsHost});
      compute_pages(rig);
      if (is_earlier) {
        rig.run(rig.plan({to_host(kA, 0, 2)}));
        EXPECT_EQ(rig.settle().size(), 1U);
      }
      std::vector<PageOp> ops = {offload(kA, 0, 2), to_host(kB, 1, 3), offload(kB, 1, 3)};
      if (!is_earlier) ops.insert(ops.begin(), to_host(kA, 0, 2));
      const StepPlan plan = rig.plan(ops, true);
      rig.run(plan);
      EXPECT_EQ(rig.mover->confirm(plan), std::vector<PageId>{kA});
      EXPECT_TRUE(holds(rig, SlotId(3), kB));
      EXPECT_EQ(rig.settle().size(), is_earlier ? 0U : 1U);
    }
  }
}

TEST(PageMoverInPlace, AnOffloadOfNothingIsRefused) {
  Rig rig({.mover = kReadsHost});
  compute_pages(rig);
  EXPECT_THAT([&] { rig.mover->begin(rig.plan({offload(kA, 0, 2)}, true)); },
              testing::ThrowsMessage<std::exception>(HasSubstr("host slot 2 is read, which nothing was written to")));
}

// The computation of the plan before, which runs late, still reads the slot.
TEST(PageMoverInPlace, WhatOverwritesTheSlotStartsBehindTheComputation) {
  for (const bool from_store : {false, true}) {
    Rig rig({.async_compute = true, .mover = kReadsHost});
    compute_pages(rig);
    rig.run(rig.plan({to_host(kB, 1, 0), to_disk(kB, 0)}));
    rig.settle();
    const StepPlan reads = rig.plan({to_host(kA, 0, 2), offload(kA, 0, 2)}, true);
    rig.mover->begin(reads);
    bool is_right = false;
    rig.stream.enqueue([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      is_right = holds(rig, SlotId(2), kA);
    });
    rig.mover->end(reads);
    const StepPlan writes = rig.plan({evict_host(kA, 2), from_store ? from_disk(kB, 2) : to_host(kB, 1, 2)});
    rig.mover->begin(writes);
    rig.mover->end(writes);
    rig.stream.synchronize();
    EXPECT_TRUE(is_right) << from_store;
    EXPECT_TRUE(rig.settle().empty());
    EXPECT_TRUE(holds(rig, SlotId(2), kB));
  }
}

}  // namespace
}  // namespace lockstep::test
