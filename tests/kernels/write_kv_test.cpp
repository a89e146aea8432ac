#include "tests/kernels/attention_support.h"

namespace lockstep::test {
namespace {

TEST(WriteKv, PutsEveryElementWhereTheLayoutSays) {
  const CpuContext context;
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    const KvLayout layout{4, 2, 3, 5, dtype};
    constexpr int64_t kLayer = 1, kTokens = 6, kFirst = 3;  // positions 3 … 8: pages 0, 1, 2
    Buffer pool(4 * layout.page_bytes());
    std::memset(pool.data(), 0x7f, static_cast<size_t>(pool.bytes()));
    std::vector<float> k = random_floats(kTokens * 10, 1), v = random_floats(kTokens * 10, 2);
    const std::vector<int32_t> token_begin = {0, kTokens}, first = {kFirst}, page_begin = {0, 3}, slots = {2, 0, 3};
    const RaggedRows rows{1, kTokens, token_begin.data(), first.data(), page_begin.data(), slots.data()};
    const Shape shape = {kTokens, 2, 5};
    write_kv(context, TensorView(k.data(), DType::kF32, shape), TensorView(v.data(), DType::kF32, shape), rows, kLayer,
             {static_cast<std::byte*>(pool.data()), layout});
    visit_floating(dtype, [&]<class T>() {
      for (int64_t t = 0; t < kTokens; ++t) {
        const int64_t position = kFirst + t, slot = slots[static_cast<size_t>(position / 4)], token = position % 4;
        for (int64_t head = 0; head < 2; ++head) {
          const std::byte* page = static_cast<const std::byte*>(pool.data()) + slot * layout.page_bytes();
          const T* k_block = reinterpret_cast<const T*>(page + layout.k_block(head, kLayer));
          const T* v_block = reinterpret_cast<const T*>(page + layout.v_block(head, kLayer));
          for (int64_t d = 0; d < 5; ++d) {
            const size_t at = static_cast<size_t>((t * 2 + head) * 5 + d);
            ASSERT_EQ(to_float(k_block[layout.k_index(token, d)]), as_stored(k[at], dtype));
            ASSERT_EQ(to_float(v_block[layout.v_index(token, d)]), as_stored(v[at], dtype));
          }
          ASSERT_EQ(to_float(k_block[layout.k_index(token, 5)]), 0.0F) << "the pad dimension";
        }
      }
      // Layers beside it are untouched.
      const std::byte* page = static_cast<const std::byte*>(pool.data());
      EXPECT_EQ(page[layout.k_block(0, 0)], std::byte{0x7f});
      EXPECT_EQ(page[layout.k_block(1, 2)], std::byte{0x7f});
    });
  }
}

}  // namespace
}  // namespace lockstep::test
