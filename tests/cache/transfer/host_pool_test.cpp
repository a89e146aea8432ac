#include "cache/transfer/host_pool.h"

#include "core/error.h"
#include "tests/support/expect_throw.h"

#include <cstring>
#include <gtest/gtest.h>

namespace lockstep::test {
namespace {

TEST(HostPool, HeadsAreAlignedAndApart) {
  for (const int64_t head_dim : {1, 8, 64, 128}) {
    const KvLayout layout{.page_tokens = 16, .num_kv_heads = 3, .num_layers = 7, .head_dim = head_dim};
    HostPool pool(layout, 5, Device::cpu());
    EXPECT_GE(pool.head_stride(), layout.head_bytes());
    EXPECT_LT(pool.head_stride(), layout.head_bytes() + HostPool::kAlignment);
    EXPECT_EQ(pool.slot_bytes(), HostPool::slot_bytes_of(layout));
    const std::byte* const first = pool.slot(SlotId(0)).data();
    for (int slot = 0; slot < 5; ++slot) {
      for (int64_t head = 0; head < 3; ++head) {
        const auto block = pool.block(SlotId(slot), head, 0);
        EXPECT_EQ(reinterpret_cast<uintptr_t>(block.data()) % HostPool::kAlignment, 0U);
        EXPECT_EQ(block.data(), first + slot * pool.slot_bytes() + head * pool.head_stride());
        EXPECT_EQ(static_cast<int64_t>(block.size()), layout.layer_bytes(0));
        std::memset(pool.block(SlotId(slot), head, 6).data(), 0xff, block.size());  // for the sanitizer: it is there
      }
    }
  }
}

TEST(HostPool, PaddingIsZero) {
  const KvLayout layout{.page_tokens = 4, .num_kv_heads = 2, .num_layers = 3, .head_dim = 6};
  const HostPool pool(layout, 4, Device::cpu());
  for (int slot = 0; slot < 4; ++slot) {
    const auto bytes = pool.slot(SlotId(slot));
    for (int64_t head = 0; head < 2; ++head) {
      for (int64_t at = layout.head_bytes(); at < pool.head_stride(); ++at) {
        ASSERT_EQ(bytes[static_cast<size_t>(head * pool.head_stride() + at)], std::byte(0)) << slot << " " << at;
      }
    }
  }
}

TEST(HostPool, EverySlotHasItsChecksums) {
  const KvLayout layout{.page_tokens = 4, .num_kv_heads = 2, .num_layers = 3, .head_dim = 6};
  HostPool pool(layout, 4, Device::cpu());
  uint32_t next = 0;
  for (int slot = 0; slot < 4; ++slot) {
    ASSERT_EQ(pool.crcs(SlotId(slot)).size(), 6U);
    for (uint32_t& crc : pool.crcs(SlotId(slot))) crc = next++;
  }
  EXPECT_EQ(pool.crcs(SlotId(3))[5], 23U);
  EXPECT_EQ(pool.crcs(SlotId(0))[0], 0U);
}

TEST(HostPool, RefusesSizesThatCannotBe) {
  const KvLayout layout{.page_tokens = 4, .num_kv_heads = 2, .num_layers = 3, .head_dim = 6};
  using testing_support::expect_throw;
  expect_throw<ConfigError>([&] { HostPool(layout, 0, Device::cpu()); }, {"0 pages", "at least 1"});
  expect_throw<ConfigError>([&] { HostPool(layout, int64_t{1} << 62, Device::cpu()); }, {"pages of"});
  expect_throw<ConfigError>([&] { HostPool({.num_kv_heads = 0}, 1, Device::cpu()); }, {"0 KV heads"});
}

}  // namespace
}  // namespace lockstep::test
