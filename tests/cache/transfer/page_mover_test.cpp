// Every op of the mover with real bytes, and what it says of itself.
#include "cache/transfer/page_mover.h"

#include "core/error.h"
#include "core/trace.h"
#include "tests/cache/transfer/mover_rig.h"
#include "tests/support/expect_throw.h"

#include <atomic>
#include <gtest/gtest.h>

namespace lockstep::test {
namespace {

using testing_support::expect_throw;

constexpr PageId kA{1}, kB{2};

TEST(PageMover, APageGoesDownAllTiersAndComesBack) {
  Rig rig({});
  EXPECT_TRUE(rig.run(rig.plan({allocate(kA, 2)}), {{SlotId(2), kA}}));
  EXPECT_TRUE(rig.run(rig.plan({to_host(kA, 2, 3), evict(kA, 2), to_disk(kA, 3), evict_host(kA, 3)})));
  EXPECT_TRUE(rig.settle().empty());
  EXPECT_TRUE(rig.file.contains(key_of(kA)));

  // Other bytes lie where it lay.
  EXPECT_TRUE(rig.run(rig.plan({allocate(kB, 2)}), {{SlotId(2), kB}}));
  EXPECT_TRUE(rig.run(rig.plan({to_host(kB, 2, 3)})));
  const StepPlan back = rig.plan({from_disk(kA, 1), to_device(kA, 1, 0)}, true);
  EXPECT_TRUE(rig.run(back, {}, {{SlotId(0), kA}, {SlotId(2), kB}}));
  EXPECT_TRUE(rig.mover->confirm(back).empty());
  EXPECT_TRUE(rig.run(rig.plan({evict_disk(kA)})));
  EXPECT_TRUE(rig.settle().empty());
  rig.mover.reset();
  EXPECT_FALSE(rig.file.contains(key_of(kA)));
}

TEST(PageMover, HostSlotsHoldWhatTheDeviceHeldWithItsChecksums) {
  Rig rig({});
  rig.run(rig.plan({allocate(kA, 0)}), {{SlotId(0), kA}});
  rig.run(rig.plan({to_host(kA, 0, 1)}));
  EXPECT_TRUE(rig.settle().empty());
  const KvLayout kv = rig.layout();
  for (int64_t head = 0; head < kv.num_kv_heads; ++head) {
    for (int64_t layer = 0; layer < kv.num_layers; ++layer) {
      const auto block = rig.host_pool.block(SlotId(1), head, layer);
      for (int64_t at = 0; at < kv.layer_bytes(layer); ++at) {
        ASSERT_EQ(block[static_cast<size_t>(at)], byte_of(kA, head, layer, at)) << head << " " << layer << " " << at;
      }
      EXPECT_EQ(rig.host_pool.crcs(SlotId(1))[static_cast<size_t>(head * kv.num_layers + layer)], crc32c(block));
    }
  }
}

TEST(PageMover, AnInvalidPageLeavesTheDiskToo) {
  Rig rig({});
  rig.run(rig.plan({allocate(kA, 0)}), {{SlotId(0), kA}});
  rig.run(rig.plan({to_host(kA, 0, 1), to_disk(kA, 1)}));
  EXPECT_TRUE(rig.settle().empty());
  EXPECT_TRUE(rig.file.contains(key_of(kA)));
  const PageOp invalidate{PageOpKind::kInvalidate, kA, SlotId(0), Tier::kDevice, SlotId(1), key_of(kA)};
  rig.run(rig.plan({invalidate, allocate(kB, 0)}), {{SlotId(0), kB}});
  rig.mover.reset();
  EXPECT_FALSE(rig.file.contains(key_of(kA)));

  Rig without({.has_disk = false});  // the key of a page that is on no disk
  EXPECT_TRUE(without.run(without.plan({invalidate})));
}

TEST(PageMover, CountsItsTransfers) {
  Rig rig({});
  rig.run(rig.plan({allocate(kA, 0), allocate(kB, 1)}), {{SlotId(0), kA}, {SlotId(1), kB}});
  rig.run(rig.plan({to_host(kA, 0, 0), to_host(kB, 1, 1), to_disk(kA, 0)}));
  rig.run(rig.plan({to_device(kA, 0, 3)}));
  EXPECT_TRUE(rig.settle().empty());
  const TransferReport report = rig.mover->take_report();
  EXPECT_EQ(report.done_through, (std::array<uint64_t, 4>{2, 1, 1, 0}));
  EXPECT_FALSE(rig.mover->wait_for_progress(std::chrono::milliseconds(1)));
  const MoverStats stats = rig.mover->stats();
  EXPECT_EQ(stats.channels[0].transfers, 2);
  EXPECT_EQ(stats.channels[0].bytes, 2 * rig.layout().page_bytes());
  EXPECT_EQ(stats.channels[2].bytes, rig.host_pool.slot_bytes());
  EXPECT_GT(stats.channels[0].busy_seconds, 0);
  EXPECT_EQ(stats.channels[3].busy_seconds, 0);
}

// The page that the computation writes must not come before the old one has been copied.
TEST(PageMover, AComputationWaitsForCopiesOutOfItsSlots) {
  Rig rig({.faults = "delay:ms=30:channel=to_host"});
  rig.run(rig.plan({allocate(kA, 0)}), {{SlotId(0), kA}});
  rig.run(rig.plan({to_host(kA, 0, 0), evict(kA, 0), allocate(kB, 0)}), {{SlotId(0), kB}});
  EXPECT_GT(rig.mover->stats().stall_seconds[static_cast<size_t>(StallCause::kSlotInUse)], 0);
  const StepPlan back = rig.plan({to_device(kA, 0, 1)}, true);
  EXPECT_TRUE(rig.run(back, {}, {{SlotId(1), kA}, {SlotId(0), kB}}));
  EXPECT_TRUE(rig.mover->confirm(back).empty());
}

// A promotion whose page is evicted at once still writes: not into the page that gets the slot.
TEST(PageMover, AComputationWaitsForCopiesIntoItsSlots) {
  Rig rig({.faults = "delay:ms=5:channel=to_device"});
  rig.run(rig.plan({allocate(kA, 0)}), {{SlotId(0), kA}});
  rig.run(rig.plan({to_host(kA, 0, 0)}));
  rig.run(rig.plan({to_device(kA, 0, 1)}));
  rig.run(rig.plan({evict(kA, 1), allocate(kB, 1)}), {{SlotId(1), kB}});
  EXPECT_TRUE(rig.settle().empty());
  EXPECT_TRUE(rig.run(rig.plan({}), {}, {{SlotId(1), kB}}));
}

TEST(PageMover, AComputationWaitsForNothingElse) {
  std::atomic<bool> may_write{false};
  Rig rig({});
  rig.file.before_batch = [&] { may_write.wait(false); };
  rig.run(rig.plan({allocate(kA, 0)}), {{SlotId(0), kA}});
  rig.run(rig.plan({to_host(kA, 0, 0), to_disk(kA, 0), from_disk(kA, 1)}));
  rig.run(rig.plan({to_device(kA, 1, 2)}));  // no row reads it yet
  EXPECT_TRUE(rig.run(rig.plan({allocate(kB, 1)}), {{SlotId(1), kB}}, {{SlotId(0), kA}}));
  EXPECT_EQ(rig.mover->take_report().done_through[1], 0U);
  may_write = true;
  may_write.notify_all();
  EXPECT_TRUE(rig.settle().empty());
  EXPECT_TRUE(rig.run(rig.plan({}), {}, {{SlotId(2), kA}}));
  EXPECT_EQ(rig.mover->stats().exposed_seconds(), 0);
}

// One worker and slow pieces: the first layers are read while the last are still on their way.
TEST(PageMover, ALayerMayBeReadBeforeTheNextOnesArrive) {
  Rig rig({.faults = "delay:ms=150:channel=to_device",
           .mover = {.workers = 1, .timeout = std::chrono::minutes(5), .piece_bytes = 1}});
  rig.run(rig.plan({allocate(kA, 0)}), {{SlotId(0), kA}});
  rig.run(rig.plan({to_host(kA, 0, 0)}));
  EXPECT_TRUE(rig.settle().empty());
  const StepPlan plan = rig.plan({to_device(kA, 0, 1)}, true);
  rig.mover->begin(plan);
  rig.mover->before_layer(0);
  EXPECT_TRUE(rig.is_right(rig.check_layer(SlotId(1), kA, 0)));
  EXPECT_EQ(rig.mover->take_report().done_through[1], 0U);
  rig.mover->before_layer(4);
  for (int64_t layer = 0; layer < 5; ++layer) EXPECT_TRUE(rig.is_right(rig.check_layer(SlotId(1), kA, layer)));
  rig.mover->end(plan);
  EXPECT_TRUE(rig.mover->confirm(plan).empty());
  EXPECT_GT(rig.mover->stats().stall_seconds[static_cast<size_t>(StallCause::kPromotion)], 0);
}

// Layers of all pages come before the next layers of any.
TEST(PageMover, PromotionsOfAPlanArriveLayerByLayer) {
  Rig rig({.faults = "delay:ms=100:channel=to_device",
           .mover = {.workers = 1, .timeout = std::chrono::minutes(5), .piece_bytes = 1}});
  rig.run(rig.plan({allocate(kA, 0), allocate(kB, 1)}), {{SlotId(0), kA}, {SlotId(1), kB}});
  rig.run(rig.plan({to_host(kA, 0, 0), to_host(kB, 1, 1)}));
  EXPECT_TRUE(rig.settle().empty());
  const StepPlan plan = rig.plan({to_device(kA, 0, 2), to_device(kB, 1, 3)}, true);
  rig.mover->begin(plan);
  rig.mover->before_layer(0);
  EXPECT_TRUE(rig.is_right(rig.check_layer(SlotId(2), kA, 0)));
  EXPECT_TRUE(rig.is_right(rig.check_layer(SlotId(3), kB, 0)));
  EXPECT_EQ(rig.mover->take_report().done_through[1], 0U);
  rig.mover->end(plan);
  EXPECT_TRUE(rig.mover->confirm(plan).empty());
}

TEST(PageMover, BytesInFlightAreBounded) {
  Rig rig({.faults = "delay:ms=5:channel=to_host",
           .mover = {.max_in_flight = 2 * small_layout().page_bytes(), .timeout = std::chrono::minutes(5)}});
  std::vector<PageOp> ops;
  for (int i = 0; i < 4; ++i) ops.push_back(allocate(PageId(i), i));
  rig.run(rig.plan(ops));
  ops.clear();
  for (int i = 0; i < 4; ++i) ops.push_back(to_host(PageId(i), i, i));
  rig.mover->begin(rig.plan(ops));
  EXPECT_GE(rig.mover->stats().channels[0].transfers, 2);
  EXPECT_GT(rig.mover->stats().stall_seconds[static_cast<size_t>(StallCause::kQueueFull)], 0);
}

TEST(PageMover, OneTierNeedsNothingElse) {
  Rig rig({});
  PageMover mover(rig.context, rig.device_pool, nullptr, nullptr);
  StepPlan plan = rig.plan({allocate(kA, 0), evict(kA, 0), {PageOpKind::kInvalidate, kA}});
  mover.begin(plan);
  mover.before_layer(0);
  mover.end(plan);
  EXPECT_TRUE(mover.confirm(plan).empty());
  EXPECT_EQ(mover.take_report().done_through, (std::array<uint64_t, 4>{}));
  EXPECT_THROW(mover.begin(rig.plan({to_host(kA, 0, 0)})), Error);
}

TEST(PageMover, ItsEndFailsWhatWaits) {
  Rig rig({.faults = "timeout:channel=to_host:nth=1"});
  rig.run(rig.plan({allocate(kA, 0)}), {{SlotId(0), kA}});
  rig.run(rig.plan({to_host(kA, 0, 0), to_disk(kA, 0), from_disk(kA, 1), to_device(kA, 1, 1)}));
  rig.mover.reset();  // hangs no longer than the test's limit
  EXPECT_EQ(rig.file.size(), 0U);
}

TEST(PageMover, TracesItsTransfers) {
  Tracer tracer(Device::cpu());
  Rig rig({});
  OpContext context = rig.context;
  context.tracer = &tracer;
  rig.mover = std::make_unique<PageMover>(context, rig.device_pool, &rig.host_pool, &rig.file);
  rig.run(rig.plan({allocate(kA, 0)}), {{SlotId(0), kA}});
  rig.run(rig.plan({to_host(kA, 0, 0), to_disk(kA, 0)}));
  rig.settle();
  const std::vector<TraceSpan> spans = tracer.spans();
  ASSERT_EQ(spans.size(), 2U);
  EXPECT_STREQ(spans[0].name, "to host");
  EXPECT_STREQ(spans[1].name, "to disk");
  EXPECT_EQ(spans[0].track, TraceTrack::kTransfers);
  EXPECT_EQ(spans[0].values, (std::array<int64_t, 3>{1, 1, rig.layout().page_bytes()}));
  EXPECT_LT(spans[0].begin, spans[0].end);
  EXPECT_LE(spans[0].end, spans[1].begin);
}

TEST(PageMover, RefusesPlansThatCannotBe) {
  Rig rig({});
  const auto fails = [&](const PageOp& op, const std::vector<std::string_view>& words) {
    Rig fresh({.has_disk = false});
    expect_throw<Error>([&] { fresh.mover->begin(fresh.plan({op})); }, words);
  };
  fails(to_host(kA, 4, 0), {"device slot 4 of 4"});
  fails(to_host(kA, 0, -1), {"host slot -1 of 4"});
  fails(to_device(kA, 0, 0), {"page 1", "host slot 0", "nothing was written"});
  fails(from_disk(kA, 0), {"no disk store"});
  PageOp shrink{PageOpKind::kTranscode, kA};
  shrink.host_slot = SlotId(0);
  shrink.cold_slot = SlotId(4);
  fails(shrink, {"host slot 4 of 4"});
  expect_throw<Error>(
      [&] {
        rig.mover->begin(rig.plan({{PageOpKind::kEvict, kA, SlotId(-1), Tier::kDisk}}));
      },
      {"without a key"});
  Rig other({});
  other.mover->begin(other.plan({}));
  expect_throw<Error>([&] { other.mover->begin(other.plan({})); }, {"plan 1", "before the end of plan 0"});
  expect_throw<Error>([&] { other.mover->before_layer(5); }, {"layer 5 of 5"});
}

TEST(PageMover, RefusesOptionsOutOfRange) {
  Rig rig({});
  const auto fails = [&](const MoverOptions& options, const std::vector<std::string_view>& words) {
    expect_throw<ConfigError>([&] { PageMover(rig.context, rig.device_pool, &rig.host_pool, nullptr, options); },
                              words);
  };
  fails({.workers = 0}, {"transfer.workers", "0"});
  fails({.max_in_flight = 0}, {"in flight"});
  fails({.timeout = std::chrono::milliseconds(0)}, {"transfer.timeout_ms"});
  expect_throw<ConfigError>([&] { PageMover(rig.context, rig.device_pool, nullptr, &rig.file); }, {"host pool"});
  HostPool small({.page_tokens = 4, .num_kv_heads = 1, .num_layers = 5, .head_dim = 6}, 2, Device::cpu());
  expect_throw<Error>([&] { PageMover(rig.context, rig.device_pool, &small, nullptr); }, {"host pool", "bytes"});
}

}  // namespace
}  // namespace lockstep::test
