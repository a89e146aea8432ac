#include "kernels/paged_attention.h"

#include "tests/kernels/attention_support.h"

#include <tuple>

namespace lockstep::test {
namespace {

// (level, page type)
class PagedAttention : public testing::TestWithParam<std::tuple<CpuIsa, DType>> {
 protected:
  CpuIsa isa() const { return std::get<0>(GetParam()); }
  DType dtype() const { return std::get<1>(GetParam()); }
  bool rounds_queries() const { return isa() >= CpuIsa::kAvx512Bf16 && dtype() == DType::kBF16; }

  std::vector<float> whole(const AttentionInputs& in, int num_threads = 2, uint64_t slot_seed = 1) const {
    const CpuContext context(isa(), num_threads);
    AttentionRun run(context, {in}, slot_seed);
    run.step({{0, 0, in.num_tokens}});
    return run.output();
  }
  std::vector<float> in_chunks(const AttentionInputs& in, int64_t chunk, int num_threads = 1) const {
    const CpuContext context(isa(), num_threads);
    AttentionRun run(context, {in});
    for (int64_t t = 0; t < in.num_tokens; t += chunk) run.step({{0, t, std::min(chunk, in.num_tokens - t)}});
    return run.output();
  }
};

TEST_P(PagedAttention, MatchesDoubleReference) {
  for (const int64_t head_dim : {5, 8, 64, 80, 100, 128}) {
    for (const int64_t group : {1, 3, 4}) {
      for (const int64_t window : {0, 9, 40}) {
        std::vector<double> expected;  // the same for every page size
        for (const int64_t page_tokens : {1, 7, 16, 64}) {
          const AttentionInputs in({2 * group, 2, head_dim, page_tokens, dtype(), window}, 83, 5);
          if (expected.empty()) expected = reference_attention(in, rounds_queries());
          const std::vector<float> out = whole(in);
          double worst = 0.0;
          for (size_t i = 0; i < out.size(); ++i) worst = std::max(worst, std::abs(out[i] - expected[i]));
          ASSERT_LT(worst, 2e-6) << "head " << head_dim << " group " << group << " window " << window << " page "
                                 << page_tokens;
        }
      }
    }
  }
}

TEST_P(PagedAttention, ChunksDoNotChangeBits) {
  for (const int64_t page_tokens : {16, 24, 64}) {
    for (const int64_t window : {0, 33}) {
      for (const int64_t head_dim : {64, 21}) {
        const AttentionInputs in({6, 2, head_dim, page_tokens, dtype(), window}, 150, 9);
        const std::vector<float> expected = whole(in);
        for (const int64_t chunk : {1, 7, 64, 100}) {
          ASSERT_TRUE(same_bits(in_chunks(in, chunk), expected))
              << "chunk " << chunk << " page " << page_tokens << " window " << window << " head " << head_dim;
        }
      }
    }
  }
}

TEST_P(PagedAttention, ThreadsAndSlotsDoNotChangeBits) {
  const AttentionInputs in({8, 2, 32, 16, dtype(), 0}, 120, 13);
  const std::vector<float> expected = whole(in, 1, 1);
  EXPECT_TRUE(same_bits(whole(in, 2, 1), expected));
  EXPECT_TRUE(same_bits(whole(in, 3, 2), expected));
  EXPECT_TRUE(same_bits(whole(in, 1, 3), expected));
}

// Sequences of different lengths, prompt chunks and single tokens, in one call: each as if alone.
TEST_P(PagedAttention, BatchDoesNotChangeBits) {
  const AttentionShape shape{3, 1, 40, 16, dtype(), 0};
  const std::vector<AttentionInputs> sequences = {{shape, 70, 1}, {shape, 9, 2}, {shape, 45, 3}};
  const CpuContext context(isa(), 3);
  AttentionRun run(context, sequences);
  run.step({{0, 0, 30}, {1, 0, 8}});
  run.step({{2, 0, 45}, {0, 30, 1}, {1, 8, 1}});
  run.step({{0, 31, 39}});
  for (size_t i = 0; i < sequences.size(); ++i) EXPECT_TRUE(same_bits(run.output(i), whole(sequences[i]))) << i;
}

INSTANTIATE_TEST_SUITE_P(Levels, PagedAttention,
                         testing::Combine(testing::ValuesIn(isa_levels()),
                                          testing::Values(DType::kF32, DType::kF16, DType::kBF16)),
                         [](const auto& p) {
                           return std::string(name_of(std::get<0>(p.param))) + "_" +
                                  std::string(name_of(std::get<1>(p.param)));
                         });

TEST(PagedAttentionScores, HugeScoresStayFinite) {
  for (const CpuIsa isa : isa_levels()) {
    const CpuContext context(isa);
    AttentionInputs in({1, 1, 16, 16, DType::kF32, 0}, 40, 4);
    for (float& q : in.q) q *= 1e4F;
    AttentionRun run(context, {in});
    run.step({{0, 0, 40}});
    const std::vector<double> expected = reference_attention(in);
    for (size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(run.output()[i], expected[i], 0.02);
  }
}

TEST(PagedAttentionErrors, AreNamed) {
  const CpuContext context;
  std::vector<float> data(64);
  std::vector<int32_t> token_begin = {0, 1}, first = {16}, page_begin = {0, 1}, slots = {0};
  RaggedRows rows{1, 1, token_begin.data(), first.data(), page_begin.data(), slots.data()};
  Buffer pool(4096);
  const KvPages pages{static_cast<std::byte*>(pool.data()), {16, 2, 1, 8, DType::kF32}};
  const TensorView q(data.data(), DType::kF32, {1, 4, 8}), out(data.data(), DType::kF32, {1, 32});
  EXPECT_THROW(paged_attention(context, q, rows, 0, pages, 1.0F, 0, out), ShapeError);  // position 16 of one page
  first[0] = 0;
  EXPECT_THROW(paged_attention(context, q, rows, 1, pages, 1.0F, 0, out), ShapeError);   // layer
  EXPECT_THROW(paged_attention(context, q, rows, 0, pages, 1.0F, -1, out), ShapeError);  // window
  const TensorView three(data.data(), DType::kF32, {1, 3, 8});
  EXPECT_THROW(paged_attention(context, three, rows, 0, pages, 1.0F, 0, out), ShapeError);  // heads
  rows.num_rows = rows.num_tokens = 0;
  paged_attention(context, q.slice(0, 0, 0), rows, 0, pages, 1.0F, 0, out.slice(0, 0, 0));  // an empty batch
}

}  // namespace
}  // namespace lockstep::test
