#include "cache/device_pool.h"

#include "core/error.h"
#include "kernels/page_summaries.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace lockstep {
namespace {

constexpr KvLayout kLayout{.page_tokens = 16, .num_kv_heads = 2, .num_layers = 3, .head_dim = 5, .dtype = DType::kBF16};

TEST(DevicePool, PagesAreZeroAndLieBehindEachOther) {
  const DevicePool pool(kLayout, 7);
  EXPECT_EQ(pool.num_slots(), 7);
  EXPECT_EQ(pool.bytes(), 7 * kLayout.page_bytes());
  const KvPages pages = pool.pages();
  EXPECT_EQ(pages.layout.page_bytes(), kLayout.page_bytes());
  EXPECT_TRUE(std::all_of(pages.base, pages.base + pool.bytes(), [](std::byte b) { return b == std::byte{0}; }));
}

TEST(DevicePool, RefusesEmptyPools) {
  EXPECT_THROW(DevicePool(kLayout, 0), ConfigError);
  EXPECT_THROW(DevicePool(KvLayout{}, 1), ConfigError);
}

TEST(DevicePool, RefusesMoreBytesThanCanBeCounted) { EXPECT_THROW(DevicePool(kLayout, INT64_MAX / 2), ConfigError); }

TEST(DevicePool, CodedPagesHaveOpenOnesBesideThem) {
  KvLayout layout = kLayout;
  layout.format = KvFormat::kKv4;
  const DevicePool pool(layout, 7, Device::cpu(), 3);
  EXPECT_EQ(pool.bytes(), 7 * layout.page_bytes() + 3 * kLayout.page_bytes());
  const KvPages pages = pool.pages();
  EXPECT_EQ(pages.open_layout().page_bytes(), kLayout.page_bytes());
  EXPECT_TRUE(std::all_of(pages.open_base, pages.open_base + 3 * kLayout.page_bytes(),
                          [](std::byte b) { return b == std::byte{0}; }));
  EXPECT_THROW(DevicePool(layout, 7), ConfigError);
  layout.page_tokens = 24;
  EXPECT_THROW(DevicePool(layout, 7, Device::cpu(), 3), ConfigError);
}

TEST(DevicePool, TablesOfSummariesCount) {
  const DevicePool pool(kLayout, 7, Device::cpu(), 0, 9);
  EXPECT_EQ(pool.bytes(), 7 * kLayout.page_bytes() + 9 * summary_slot_bytes(kLayout));
  const KvPages pages = pool.pages();
  EXPECT_EQ(pages.num_summaries, 9);
  EXPECT_EQ(pages.num_slots, 7);
  EXPECT_TRUE(std::all_of(pages.summaries, pages.summaries + 9 * summary_slot_bytes(kLayout),
                          [](std::byte b) { return b == std::byte{0}; }));
  EXPECT_EQ(DevicePool(kLayout, 7).pages().summaries, nullptr);
  EXPECT_THROW(DevicePool(kLayout, 7, Device::cpu(), 0, 6), ConfigError);
}

// Bytes as the allocator counts them: codes, scales and summaries.
TEST(DevicePool, CodedPagesKeepTheirShareOfBytes) {
  KvLayout layout{.page_tokens = 64, .num_kv_heads = 2, .num_layers = 3, .head_dim = 128, .dtype = DType::kBF16};
  const auto bytes_of = [&](KvFormat format) {
    layout.format = format;
    const int64_t before = allocated_bytes(DeviceKind::kCpu);
    const DevicePool pool(layout, 10, Device::cpu(), layout.is_coded() ? 1 : 0);
    const int64_t open = layout.is_coded() ? pool.pages().open_layout().page_bytes() : 0;
    return static_cast<double>(allocated_bytes(DeviceKind::kCpu) - before - open);
  };
  const double full = bytes_of(KvFormat::kFull);
  EXPECT_LE(bytes_of(KvFormat::kKv8), 0.52 * full);
  EXPECT_LE(bytes_of(KvFormat::kK8v4), 0.40 * full);
  EXPECT_LE(bytes_of(KvFormat::kKv4), 0.28 * full);
}

}  // namespace
}  // namespace lockstep
