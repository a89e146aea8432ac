#include "kernels/kv_layout.h"

#include "kernels/kv_codes.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace lockstep::test {
namespace {

KvLayout layout_of(KvFormat format, int64_t head_dim = 128, int64_t page_tokens = 64, int64_t layers = 1) {
  KvLayout layout{page_tokens, 1, layers, head_dim, DType::kBF16};
  layout.format = format;
  return layout;
}

TEST(KvLayout, CodedPagesKeepTheirShareOfBf16) {
  const double full = static_cast<double>(layout_of(KvFormat::kFull).page_bytes());
  EXPECT_EQ(full, 32768);
  EXPECT_EQ(layout_of(KvFormat::kKv8).page_bytes(), 17024);
  EXPECT_EQ(layout_of(KvFormat::kK8v4).page_bytes(), 13056);
  EXPECT_EQ(layout_of(KvFormat::kKv4).page_bytes(), 9088);
  EXPECT_LE(static_cast<double>(layout_of(KvFormat::kKv8).page_bytes()), 0.52 * full);
  EXPECT_LE(static_cast<double>(layout_of(KvFormat::kK8v4).page_bytes()), 0.40 * full);
  EXPECT_LE(static_cast<double>(layout_of(KvFormat::kKv4).page_bytes()), 0.28 * full);
}

TEST(KvLayout, BlocksFollowOneAnotherAndHoldTheirParts) {
  for (const KvFormat format : {KvFormat::kFull, KvFormat::kKv8, KvFormat::kK8v4, KvFormat::kKv4}) {
    for (const int64_t head_dim : {5, 8, 64, 80, 128}) {
      for (const int64_t page_tokens : {16, 64, 128}) {
        KvLayout layout = layout_of(format, head_dim, page_tokens, 5);
        layout.num_kv_heads = 3;
        if (format == KvFormat::kKv4) layout.wide_keys.insert(1), layout.wide_keys.insert(4);
        layout.has_summaries = format == KvFormat::kFull;
        int64_t at = 0;
        for (int64_t head = 0; head < 3; ++head) {
          for (int64_t layer = 0; layer < 5; ++layer) {
            ASSERT_EQ(layout.k_block(head, layer), at);
            ASSERT_EQ(at % 64, 0);
            ASSERT_EQ(layout.v_block(head, layer), at + layout.k_bytes(layer));
            ASSERT_GE(layout.layer_bytes(layer), layout.k_bytes(layer) + layout.v_bytes() + layout.summary_bytes());
            if (layout.is_coded()) {
              // Either half of a first page fits, too.
              ASSERT_GE(layout.layer_bytes(layer), layout.k_code_bytes(8));
              ASSERT_GE(layout.layer_bytes(layer), layout.v_code_bytes(8));
            }
            at += layout.layer_bytes(layer);
          }
        }
        ASSERT_EQ(layout.page_bytes(), at);
        for (const int64_t bits : {4, 8}) {
          ASSERT_LE(KeyCodes(layout, bits).stds + layout.coded_head_dim(), layout.k_code_bytes(bits));
          ASSERT_LE(ValueCodes(layout, bits).lows + (bits == 4 ? 2 * page_tokens : 0), layout.v_code_bytes(bits));
        }
      }
    }
  }
}

TEST(KvLayout, OnlyNarrowFormatsSplitTheirFirstPage) {
  EXPECT_EQ(layout_of(KvFormat::kFull).slots_for(129), 3);
  EXPECT_EQ(layout_of(KvFormat::kKv8).slots_for(129), 3);
  EXPECT_EQ(layout_of(KvFormat::kK8v4).slots_for(129), 4);
  EXPECT_EQ(layout_of(KvFormat::kKv4).slots_for(1), 2);
  EXPECT_EQ(layout_of(KvFormat::kKv4).slots_for(0), 0);
}

TEST(KeyScales, AscendAndRoundUp) {
  EXPECT_EQ(scale_of_code(0), 0x1p-20F);
  EXPECT_EQ(scale_of_code(255), 1.875F * 0x1p11F);
  for (int code = 0; code < 256; ++code) {
    const float scale = scale_of_code(static_cast<uint8_t>(code));
    EXPECT_EQ(scale_code_for(scale), code);
    EXPECT_EQ(scale_code_for(scale * 1.0001F), std::min(code + 1, 255));
    EXPECT_LE(scale_code_for(scale * 0.9999F), code);
  }
  EXPECT_EQ(scale_code_for(0.0F), 0);
  EXPECT_EQ(scale_code_for(-1.0F), 0);
  EXPECT_EQ(scale_code_for(1e30F), 255);
}

}  // namespace
}  // namespace lockstep::test
