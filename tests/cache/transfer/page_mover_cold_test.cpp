// Cold slots on CPU ranks.
#include "tests/cache/transfer/page_mover_cold.h"

namespace lockstep::test {
namespace {

TEST(PageMoverCold, PagesShrinkAndComeBack) { expect_that_pages_shrink(Device::cpu()); }
TEST(PageMoverCold, SlotsAreUsedAgainAtOnce) { expect_that_slots_are_used_again(Device::cpu()); }
TEST(PageMoverCold, FailuresAreFoundAndTold) { expect_that_failures_are_found(Device::cpu()); }

TEST(PageMoverCold, HostPoolHasSlotsOfTwoKinds) {
  const KvLayout exact = ColdRig::layout_of(KvFormat::kKv8), cold = ColdRig::layout_of(KvFormat::kKv4);
  HostPool pool(exact, 2, cold, 3, Device::cpu());
  EXPECT_FALSE(pool.is_cold(SlotId(1)));
  EXPECT_TRUE(pool.is_cold(SlotId(2)));
  const std::byte* end = nullptr;
  for (int slot = 2; slot < 5; ++slot) {
    for (int64_t head = 0; head < 2; ++head) {
      for (int64_t layer = 0; layer < 5; ++layer) {
        const auto block = pool.block(SlotId(slot), head, layer);
        EXPECT_EQ(static_cast<int64_t>(block.size()), cold.layer_bytes(layer));
        EXPECT_TRUE(end == nullptr || block.data() == end);
        end = block.data() + block.size();
      }
    }
  }
  EXPECT_NE(pool.crcs(SlotId(4)).data(), pool.crcs(SlotId(1)).data());
  EXPECT_ANY_THROW(HostPool(cold, 2, exact, 3, Device::cpu()));
}

}  // namespace
}  // namespace lockstep::test
