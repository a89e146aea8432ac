// What a buffer of hot pages allocates is what is reserved for it, and what lists can name.
#include "dist/model/hot_buffer.h"

#include "core/error.h"
#include "kernels/op_state.h"

#include <gtest/gtest.h>
#include <limits>

namespace lockstep {
namespace {

KvLayout layout_of(KvFormat format) {
  return {
      .page_tokens = 16, .num_kv_heads = 3, .num_layers = 2, .head_dim = 8, .dtype = DType::kBF16, .format = format};
}

class HotBufferTest : public testing::Test {
 protected:
  HotBuffer buffer(KvFormat format, int64_t num_slots, const HotSizes& sizes) {
    return HotBuffer(context_, layout_of(format), num_slots, sizes);
  }

  Stream stream_ = Stream::cuda(Device::cuda(0));
  std::unique_ptr<OpState> state_ = make_op_state(Device::cuda(0));
  OpContext context_ = {.device = Device::cuda(0), .stream = &stream_, .state = state_.get()};
};

TEST_F(HotBufferTest, AllocatesWhatIsSaid) {
  for (const KvFormat format : {KvFormat::kFull, KvFormat::kKv8, KvFormat::kKv4}) {
    for (const int64_t num_pages : {1, 8, 15, 100}) {
      const HotSizes sizes{.num_pages = num_pages, .num_host_slots = 37, .max_lists = 11, .list_capacity = 5};
      const HotBuffer hot = buffer(format, 64, sizes);
      EXPECT_EQ(hot.bytes(), hot_buffer_bytes(layout_of(format), sizes)) << name_of(format) << ", " << num_pages;
      EXPECT_EQ(hot.pages().num_blocks, whole_hot_sets(num_pages));
    }
  }
}

TEST_F(HotBufferTest, RoundsDownToWholeSetsButHasOne) {
  EXPECT_EQ(whole_hot_sets(0), 0);
  EXPECT_EQ(whole_hot_sets(1), kHotWays);
  EXPECT_EQ(whole_hot_sets(2 * kHotWays - 1), kHotWays);
  EXPECT_EQ(whole_hot_sets(2 * kHotWays), 2 * kHotWays);
  EXPECT_EQ(hot_buffer_bytes(layout_of(KvFormat::kFull), {.num_host_slots = 5}), 0);
}

TEST_F(HotBufferTest, ListsNameSlotsByThirtyTwoBits) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  const HotSizes sizes{.num_pages = 8, .num_host_slots = 4, .max_lists = 1, .list_capacity = 1};
  EXPECT_NO_THROW(buffer(KvFormat::kFull, kMost - 12, sizes));
  EXPECT_THROW(buffer(KvFormat::kFull, kMost - 11, sizes), ConfigError);
  EXPECT_THROW(check_hot_slots(1, kMost, 8), ConfigError);
}

}  // namespace
}  // namespace lockstep
