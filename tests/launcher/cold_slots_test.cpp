// Cutting the host tier's bytes for pages of two formats: what is refused says why, the guard's layers included.
#include "core/error.h"
#include "launcher/cache_tiers.h"
#include "tests/support/expect_throw.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

using testing_support::expect_throw;

const KvLayout kLayout{.page_tokens = 64, .num_kv_heads = 2, .num_layers = 4, .head_dim = 64, .dtype = DType::kBF16};

LayerSet layers(std::initializer_list<int64_t> numbers) {
  LayerSet set;
  for (const int64_t layer : numbers) set.insert(layer);
  return set;
}

TierSizes sizes_of(double ratio) {
  TierSizes sizes;
  sizes.host_bytes = int64_t{64} << 20;
  sizes.compression_ratio = ratio;
  return sizes;
}

double share_of(const KvLayout& cold) {
  return static_cast<double>(cold.page_bytes()) / static_cast<double>(kLayout.page_bytes());
}

TEST(ColdSlots, FormatText) {
  EXPECT_EQ(format_text(kLayout), "full");
  EXPECT_EQ(format_text(cold_layout_of(kLayout, KvFormat::kKv4, {})), "kv4");
  EXPECT_EQ(format_text(cold_layout_of(kLayout, KvFormat::kKv4, layers({0, 3}))), "kv4, keys of 8 bits in layers 0,3");
}

// The first refusal is possible when a job starts, the second only once it has found layers whose keys stay wider.
TEST(ColdSlots, ARatioBelowTheFormatsShareIsRefusedWithItsWideLayers) {
  const KvLayout narrow = cold_layout_of(kLayout, KvFormat::kKv4, {});
  const KvLayout wide = cold_layout_of(kLayout, KvFormat::kKv4, layers({0, 3}));
  ASSERT_LT(share_of(narrow), share_of(wide));
  const double between = (share_of(narrow) + share_of(wide)) / 2;
  TierSizes sizes = sizes_of(share_of(narrow) / 2);
  expect_throw<ConfigError>([&] { fit_cold_slots(sizes, kLayout, narrow); },
                            {"cache.compression_ratio = ", "cache.cold_format = kv4 take"});
  sizes = sizes_of(between);
  fit_cold_slots(sizes, kLayout, narrow);
  EXPECT_GT(sizes.cold_slots, 0);
  sizes = sizes_of(between);
  expect_throw<ConfigError>([&] { fit_cold_slots(sizes, kLayout, wide); },
                            {"cache.compression_ratio = ", "keys of 8 bits in layers 0,3 take",
                             fmt::format("{:.3f}", share_of(wide)), "found when a job starts"});
}

}  // namespace
}  // namespace lockstep
