#include "kernels/paged_attention.h"
#include "tests/kernels/cuda/kv_support.h"

namespace lockstep::test {
namespace {

struct WriteCase {
  int64_t page_tokens, num_kv_heads, head_dim;
  DType dtype;
  KvFormat format = KvFormat::kFull;
};

// Every byte of the pool, pads and neighbouring layers among them, is what the CPU's body leaves there. Coded formats:
// of the pool of open pages.
TEST(CudaWriteKv, EqualsTheCpu) {
  CudaContext context;
  const CpuContext cpu;
  for (const WriteCase& c :
       {WriteCase{4, 2, 5, DType::kF32}, WriteCase{4, 2, 5, DType::kF16}, WriteCase{4, 1, 7, DType::kBF16},
        WriteCase{16, 3, 8, DType::kBF16}, WriteCase{16, 2, 12, DType::kF16}, WriteCase{64, 2, 64, DType::kBF16},
        WriteCase{1, 1, 1, DType::kBF16}, WriteCase{16, 1, 80, DType::kF32},
        WriteCase{16, 2, 12, DType::kF16, KvFormat::kKv8}, WriteCase{64, 2, 64, DType::kBF16, KvFormat::kKv4},
        WriteCase{16, 1, 5, DType::kF32, KvFormat::kK8v4}}) {
    const KvLayout layout{c.page_tokens, c.num_kv_heads, 3, c.head_dim, c.dtype, c.format};
    const KvBatch batch(c.page_tokens);
    const int64_t stride = 2 * c.num_kv_heads + 1;  // heads of a token: k, v, and one that is neither
    std::vector<float> kv = random_floats(batch.num_tokens * stride * c.head_dim, 1);
    const Shape shape = {batch.num_tokens, stride, c.head_dim};
    const auto run = [&](const OpContext& on, TensorView all, const RaggedRows& rows, std::byte* pool) {
      write_kv(on, all.slice(1, 0, c.num_kv_heads), all.slice(1, c.num_kv_heads, 2 * c.num_kv_heads), rows, 1,
               KvBatch::pages(pool, layout));
    };
    std::vector<std::byte> expected = batch.noise(layout);
    run(cpu, TensorView(kv.data(), DType::kF32, shape), batch.host_rows(), expected.data());

    const DeviceArray device_kv(context, DType::kF32, kv);
    const DeviceRows rows(context, batch);
    DeviceArray pool(context, DType::kI32, static_cast<int64_t>(expected.size()) / 4);
    pool.upload(batch.noise(layout).data());
    run(context, device_kv.view(shape), rows.view(), static_cast<std::byte*>(pool.data()));
    EXPECT_EQ(pool.download(), expected) << c.page_tokens << " tokens, head size " << c.head_dim;
  }
}

TEST(CudaWriteKv, RowsWithoutPagesAreNotStored) {
  CudaContext context;
  const KvLayout layout{4, 1, 1, 8, DType::kF32};
  const DeviceArray k(context, DType::kF32, random_floats(3 * 8, 1));
  const DeviceArray token_begin(context, {0, 1, 2, 3}), first(context, {2, 0, 9}), page_begin(context, {0, 0, 1, 1});
  const DeviceArray slots(context, {0}), token_row(context, {0, 1, 2}),
      pool(context, DType::kF32, layout.page_bytes() / 4);
  RaggedRows rows;
  rows.num_rows = rows.num_tokens = 3;
  rows.token_begin = token_begin.view({4}).as<int32_t>();
  rows.first_position = first.view({3}).as<int32_t>();
  rows.page_begin = page_begin.view({4}).as<int32_t>();
  rows.slots = slots.view({1}).as<int32_t>();
  rows.token_row = token_row.view({3}).as<int32_t>();
  write_kv(context, k.view({3, 1, 8}), k.view({3, 1, 8}), rows, 0, {static_cast<std::byte*>(pool.data()), layout});
  const std::vector<float> page = pool.floats(), key = k.floats();
  const auto num_written = std::count_if(page.begin(), page.end(), [](float x) { return !std::isnan(x); });
  EXPECT_EQ(num_written, 16) << "one token's key and value";
  for (int64_t d = 0; d < 8; ++d) {
    EXPECT_EQ(page[static_cast<size_t>(layout.k_index(0, d))], key[static_cast<size_t>(8 + d)]);
  }
}

}  // namespace
}  // namespace lockstep::test
