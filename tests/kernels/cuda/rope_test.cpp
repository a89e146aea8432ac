#include "kernels/rope.h"

#include "tests/kernels/cuda/kv_support.h"

namespace lockstep::test {
namespace {

ModelConfig config_of(int64_t head_dim) {
  ModelConfig config;
  config.head_dim = head_dim;
  return config;
}

TEST(CudaRope, TableHasTheBitsOfTheCpu) {
  CudaContext context;
  const CpuContext cpu;
  const RopeTable expected = make_rope_table(cpu, config_of(10), 33),
                  table = make_rope_table(context, config_of(10), 33);
  std::vector<float> sin(33 * 5), cos(33 * 5);
  ASSERT_EQ(table.cos.device(), Device::cuda(0));
  copy_async(context.stream(), cos.data(), table.cos.data(), 33 * 5 * 4);
  copy_async(context.stream(), sin.data(), table.sin.data(), 33 * 5 * 4);
  context.synchronize();
  for (size_t i = 0; i < cos.size(); ++i) {
    EXPECT_EQ(cos[i], expected.cos.as<float>()[i]);
    EXPECT_EQ(sin[i], expected.sin.as<float>()[i]);
  }
}

TEST(CudaRope, RotatesInPlace) {
  CudaContext context;
  for (const int64_t dim : {2, 6, 8, 20, 22, 64, 128}) {
    constexpr int64_t kTokens = 37, kHeads = 3, kAll = kHeads + 1;
    const RopeTable table = make_rope_table(context, config_of(dim), 200);
    const std::vector<float> before = random_floats(kTokens * kAll * dim, 5);
    std::vector<int32_t> positions(kTokens);
    for (size_t t = 0; t < positions.size(); ++t) positions[t] = static_cast<int32_t>(t * 53 % 200);
    const DeviceArray x(context, DType::kF32, before), at(context, positions);
    rope(context, x.view({kTokens, kAll, dim}).slice(1, 0, kHeads), at.view({kTokens}), table);
    const std::vector<float> after = x.floats();
    for (int64_t i = 0; i < kTokens * kAll * dim; ++i) {
      const int64_t d = i % dim, head = i / dim % kAll, token = i / dim / kAll, pair = d % (dim / 2);
      const auto low = static_cast<size_t>(i - d + pair), high = low + static_cast<size_t>(dim / 2);
      const double angle =
          positions[static_cast<size_t>(token)] *
          std::pow(config_of(dim).rope_theta, -2.0 * static_cast<double>(pair) / static_cast<double>(dim));
      double expected = before[static_cast<size_t>(i)];
      if (head < kHeads) {
        expected = d < dim / 2 ? before[low] * std::cos(angle) - before[high] * std::sin(angle)
                               : before[high] * std::cos(angle) + before[low] * std::sin(angle);
      }
      ASSERT_NEAR(after[static_cast<size_t>(i)], expected, head < kHeads ? 1e-6 : 0.0) << "head size " << dim;
    }
  }
}

struct FusedCase {
  int64_t page_tokens, num_kv_heads, head_dim;
  DType dtype;
  KvFormat format = KvFormat::kFull;
};

// rope, rope and write_kv one after another, on the device and (where the CPU multiplies and adds in one step) there.
TEST(CudaRope, FusedWithTheWriteEqualsSeparateSteps) {
  CudaContext context;
  const CpuContext cpu;
  for (const FusedCase& c :
       {FusedCase{4, 2, 6, DType::kF32}, FusedCase{4, 1, 2, DType::kBF16}, FusedCase{16, 3, 8, DType::kF16},
        FusedCase{16, 1, 22, DType::kBF16}, FusedCase{16, 2, 20, DType::kBF16}, FusedCase{64, 2, 64, DType::kBF16},
        FusedCase{16, 1, 128, DType::kBF16}, FusedCase{16, 2, 80, DType::kF32},
        FusedCase{16, 2, 20, DType::kF16, KvFormat::kKv8}, FusedCase{64, 1, 64, DType::kBF16, KvFormat::kKv4}}) {
    const KvLayout layout{c.page_tokens, c.num_kv_heads, 2, c.head_dim, c.dtype, c.format};
    const KvBatch batch(c.page_tokens);
    constexpr int64_t kHeads = 4;
    const int64_t k_end = kHeads + c.num_kv_heads, all = k_end + c.num_kv_heads;
    const Shape shape = {batch.num_tokens, all, c.head_dim};
    const std::vector<float> start = random_floats(batch.num_tokens * all * c.head_dim, 2);
    const auto separate = [&](const OpContext& on, TensorView qkv, TensorView positions, const RopeTable& table,
                              const RaggedRows& rows, std::byte* pool) {
      const TensorView k = qkv.slice(1, kHeads, k_end);
      rope(on, qkv.slice(1, 0, kHeads), positions, table);
      rope(on, k, positions, table);
      write_kv(on, k, qkv.slice(1, k_end, all), rows, 1, KvBatch::pages(pool, layout));
    };
    const DeviceRows rows(context, batch);
    const RopeTable table = make_rope_table(context, config_of(c.head_dim), 100);
    const auto pool_words = static_cast<int64_t>(batch.noise(layout).size()) / 4;
    DeviceArray fused_pool(context, DType::kI32, pool_words), pool(context, DType::kI32, pool_words);
    fused_pool.upload(batch.noise(layout).data());
    pool.upload(batch.noise(layout).data());
    const DeviceArray fused(context, DType::kF32, start), steps(context, DType::kF32, start);
    const TensorView qkv = fused.view(shape);
    rope_and_write_kv(context, qkv.slice(1, 0, kHeads), qkv.slice(1, kHeads, k_end), qkv.slice(1, k_end, all),
                      rows.positions(), table, rows.view(), 1,
                      KvBatch::pages(static_cast<std::byte*>(fused_pool.data()), layout));
    separate(context, steps.view(shape), rows.positions(), table, rows.view(), static_cast<std::byte*>(pool.data()));
    EXPECT_EQ(fused_pool.download(), pool.download()) << "head size " << c.head_dim;
    std::vector<float> rotated = fused.floats(), expected = steps.floats();
    for (int64_t i = 0; i < static_cast<int64_t>(rotated.size()); ++i) {
      if (i / c.head_dim % all >= kHeads) continue;  // k need not be rotated
      ASSERT_EQ(rotated[static_cast<size_t>(i)], expected[static_cast<size_t>(i)]) << "head size " << c.head_dim;
    }

    if (detect_cpu_isa() < CpuIsa::kAvx2) continue;
    std::vector<float> host = start;
    std::vector<int32_t> positions = batch.positions;
    std::vector<std::byte> host_pool = batch.noise(layout);
    separate(cpu, TensorView(host.data(), DType::kF32, shape),
             TensorView(positions.data(), DType::kI32, {batch.num_tokens}),
             make_rope_table(cpu, config_of(c.head_dim), 100), batch.host_rows(), host_pool.data());
    EXPECT_EQ(pool.download(), host_pool) << "head size " << c.head_dim;
    EXPECT_TRUE(same_bits(expected, host)) << "head size " << c.head_dim;
  }
}

}  // namespace
}  // namespace lockstep::test
