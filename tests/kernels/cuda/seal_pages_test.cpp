#include "kernels/seal_pages.h"

#include "tests/kernels/cuda/decoded_pages.h"
#include "tests/kernels/cuda/device_support.h"

#include <string>
#include <vector>

namespace lockstep::test {
namespace {

/// Elements of open pages: ordinary ones, and channels and tokens that are odd in each way that comes to mind; by runs
/// of a pair of channels, or shorter ones.
std::vector<float> odd_values(const KvLayout& layout, int64_t count, uint64_t seed, bool has_nonfinite) {
  std::vector<float> x = random_floats(count, seed);
  const std::vector<float> kind = random_floats(count, seed + 1);
  const int64_t run = seed % 4 < 2 ? 2 * layout.page_tokens : 16;
  for (int64_t i = 0; i < count; ++i) {
    float& value = x[static_cast<size_t>(i)];
    const float k = kind[static_cast<size_t>(i / run)];
    if (k > 1.0F) value = 0.0F;
    if (k > 0.8F && k <= 1.0F) value = i % 3 == 0 ? -0.0F : 0.0F;
    if (k > 0.5F && k <= 0.8F) value = 40.0F + value * 1e-2F;
    if (k > 0.4F && k <= 0.5F) value *= 1e-7F;
    if (k > 0.3F && k <= 0.4F) value *= 6e4F;
    if (k > 0.2F && k <= 0.3F && has_nonfinite && i % 5 == 0) value = NAN;
    if (k > 0.1F && k <= 0.2F && has_nonfinite && i % 5 < 2) value = i % 5 == 0 ? INFINITY : -INFINITY;
  }
  if (layout.dtype == DType::kF32) x[3] = 1e30F;
  return x;
}

/// The three blocks that the pages of a sequence take, in sealed slots among others that stay as they are.
struct Filled {
  std::vector<int32_t> open_slots = {4, -1, 0, 3}, key_slots = {1, 0, 5, 2}, value_slots;
  explicit Filled(const KvLayout& layout) : value_slots(key_slots) {
    if (layout.splits_first_page()) value_slots[2] = 3;
  }
  FilledPages view() const {
    return {static_cast<int64_t>(open_slots.size()), open_slots.data(), key_slots.data(), value_slots.data()};
  }
};
constexpr int64_t kOpenSlots = 5, kSlots = 6;

void expect_bytes_of_the_cpu(CudaContext& context, const KvLayout& layout, uint64_t seed, bool has_nonfinite) {
  const KvLayout open = KvPages{nullptr, layout}.open_layout();
  const int64_t elements = kOpenSlots * open.page_bytes() / size_of(layout.dtype);
  TypedArray source(layout.dtype, odd_values(layout, elements, seed, has_nonfinite));
  auto* const host_open = static_cast<std::byte*>(source.view({elements}).data());
  const std::vector<std::byte> before(static_cast<size_t>(kSlots * layout.page_bytes()), std::byte{0x5a});
  const Filled filled(layout);
  const CpuContext cpu;
  std::vector<std::byte> expected = before;
  seal_pages(cpu, filled.view(), 1, {expected.data(), layout, host_open});

  DeviceArray device_open(context, DType::kI32, kOpenSlots * open.page_bytes() / 4);
  DeviceArray pool(context, DType::kI32, static_cast<int64_t>(before.size()) / 4);
  device_open.upload(host_open);
  pool.upload(before.data());
  const DeviceArray open_slots(context, filled.open_slots), keys(context, filled.key_slots),
      values(context, filled.value_slots);
  seal_pages(context,
             {filled.view().count, open_slots.view({4}).as<int32_t>(), keys.view({4}).as<int32_t>(),
              values.view({4}).as<int32_t>()},
             1, {static_cast<std::byte*>(pool.data()), layout, static_cast<std::byte*>(device_open.data())});
  const std::vector<std::byte> result = pool.download();
  ASSERT_EQ(result.size(), expected.size());
  int64_t num_different = 0, first = -1, num_written = 0;
  for (size_t i = 0; i < result.size(); ++i) {
    num_written += expected[i] != before[i] ? 1 : 0;
    if (result[i] == expected[i]) continue;
    if (num_different++ == 0) first = static_cast<int64_t>(i);
  }
  EXPECT_EQ(num_different, 0) << "first at " << first % layout.page_bytes() << " of slot "
                              << first / layout.page_bytes() << ", format " << static_cast<int>(layout.format) << ", "
                              << name_of(layout.dtype) << ", head " << layout.head_dim << ", pages of "
                              << layout.page_tokens;
  EXPECT_GT(num_written, 3 * layout.num_kv_heads * layout.page_tokens * layout.head_dim / 2);
}

TEST(CudaSealPages, BytesAreThoseOfTheCpu) {
  CudaContext context;
  for (const KvFormat format : {KvFormat::kKv8, KvFormat::kK8v4, KvFormat::kKv4}) {
    uint64_t seed = 1;
    for (const DType dtype : {DType::kBF16, DType::kF16, DType::kF32}) {
      for (const auto& [page_tokens, head_dim] : {std::pair(16, 5), std::pair(16, 8), std::pair(64, 64),
                                                  std::pair(64, 128), std::pair(48, 96), std::pair(128, 20)}) {
        KvLayout layout{page_tokens, 2, 3, head_dim, dtype, format};
        if (format == KvFormat::kKv4 && seed % 2 == 0) layout.wide_keys.insert(1);
        ++seed;
        expect_bytes_of_the_cpu(context, layout, seed, seed % 3 != 0);
      }
    }
  }
}

TEST(CudaSealPages, SummariesAreThoseOfTheCpu) {
  CudaContext context;
  for (const DType dtype : {DType::kBF16, DType::kF16, DType::kF32}) {
    for (const auto& [page_tokens, head_dim] : {std::pair(16, 5), std::pair(64, 64), std::pair(7, 128)}) {
      KvLayout layout{page_tokens, 2, 3, head_dim, dtype};
      layout.has_summaries = true;
      const int64_t elements = kSlots * layout.page_bytes() / size_of(dtype);
      TypedArray pages(dtype, odd_values(layout, elements, 5, false));
      DeviceArray pool(context, DType::kI32, kSlots * layout.page_bytes() / 4);
      auto* const host = static_cast<std::byte*>(pages.view({elements}).data());
      pool.upload(host);
      const std::vector<std::byte> before(host, host + pool.bytes());
      const std::vector<int32_t> slots = {4, 1};
      const DeviceArray keys(context, std::vector<int32_t>{4, -1, 1});  // -1: padding of recorded launches
      const CpuContext cpu;
      seal_pages(cpu, {2, nullptr, slots.data(), nullptr}, 2, {host, layout});
      seal_pages(context, {3, nullptr, keys.view({3}).as<int32_t>(), nullptr}, 2,
                 {static_cast<std::byte*>(pool.data()), layout});
      const std::vector<std::byte> expected(host, host + pool.bytes());
      EXPECT_EQ(pool.download(), expected) << name_of(dtype) << ", head " << head_dim << ", pages of " << page_tokens;
      EXPECT_NE(expected, before);
    }
  }
}

// The codes stand for what was written: the reading that attention's tests take for granted.
TEST(CudaSealPages, CodesStandForTheOpenPage) {
  CudaContext context;
  for (const KvFormat format : {KvFormat::kKv8, KvFormat::kKv4}) {
    const KvLayout layout{64, 1, 1, 64, DType::kF32, format};
    const KvLayout open = KvPages{nullptr, layout}.open_layout();
    const std::vector<float> x = random_floats(open.page_bytes() / 4, 3);
    const DeviceArray source(context, DType::kF32, x), slots(context, std::vector<int32_t>{0});
    const DeviceArray pool(context, DType::kI32, layout.page_bytes() / 4);
    const auto* const slot = slots.view({1}).as<int32_t>();
    seal_pages(context, {1, slot, slot, slot}, 0,
               {static_cast<std::byte*>(pool.data()), layout, static_cast<std::byte*>(source.data())});
    const std::vector<std::byte> page = pool.download();
    const bool is_wide = format == KvFormat::kKv8;
    const double bound = is_wide ? 0.02 : 0.5;  // of values within ±3: half a step, and what smaller ranges cut off
    double worst = 0.0;
    for (int64_t token = 0; token < 64; ++token) {
      for (int64_t dim = 0; dim < 64; ++dim) {
        const double k = decoded_key(layout, page.data(), is_wide ? 8 : 4, token, dim);
        const double v = decoded_value(layout, page.data() + layout.v_block(0, 0), is_wide ? 8 : 4, token, dim);
        const double key = x[static_cast<size_t>(open.k_index(token, dim))];
        const double value = x[static_cast<size_t>(open.k_bytes(0) / 4 + open.v_index(token, dim))];
        worst = std::max({worst, std::abs(k - key), std::abs(v - value)});
      }
    }
    EXPECT_LT(worst, bound);
    EXPECT_GT(worst, bound / 100);
  }
}

}  // namespace
}  // namespace lockstep::test
