// Attention over sealed pages: against attention in double over what their codes decode to, and bit for bit across
// chunks, batches, threads, slots and lists of pages.
#include "tests/kernels/sealed_support.h"

#include <tuple>

namespace lockstep::test {
namespace {

constexpr KvFormat kCoded[] = {KvFormat::kKv8, KvFormat::kK8v4, KvFormat::kKv4};

std::vector<float> run_whole(const OpContext& context, const SealedShape& shape, const AttentionInputs& in,
                             uint64_t slot_seed = 1) {
  SealedRun run(context, shape, {in}, slot_seed);
  run.step({{0, 0, in.num_tokens}});
  return run.output();
}

// (level, page type)
class SealedAttention : public testing::TestWithParam<std::tuple<CpuIsa, DType>> {
 protected:
  CpuIsa isa() const { return std::get<0>(GetParam()); }
  DType dtype() const { return std::get<1>(GetParam()); }
  std::vector<float> in_chunks(const SealedShape& shape, const AttentionInputs& in, int64_t chunk) const {
    const CpuContext context(isa(), 1);
    SealedRun run(context, shape, {in}, 7);
    for (int64_t t = 0; t < in.num_tokens; t += chunk) run.step({{0, t, std::min(chunk, in.num_tokens - t)}});
    return run.output();
  }
};

TEST_P(SealedAttention, MatchesDoubleReferenceOverTheCodes) {
  const CpuContext context(isa(), 2);
  // Rounding the query to 8 bits is the largest difference beside 4-bit keys, of probabilities beside 4-bit values; in
  // its own page a query of BF16 levels is rounded to BF16.
  const bool rounds = isa() >= CpuIsa::kAvx512Bf16 && dtype() == DType::kBF16;
  for (const KvFormat format : kCoded) {
    for (const int64_t head_dim : {5, 8, 16, 64, 80, 96, 128}) {
      for (const int64_t page_tokens : {16, 32, 64, 128}) {
        const int64_t group = 1 + (head_dim + page_tokens / 16) % 8, window = page_tokens == 32 ? 50 : 0;
        SealedShape shape{{2 * group, 2, head_dim, page_tokens, dtype(), window}, format};
        if (format == KvFormat::kKv4 && head_dim == 96) shape.wide_keys.insert(shape.attention.layer);
        const int64_t tokens = 3 * page_tokens + 5;
        const AttentionInputs in(shape.attention, tokens, 5);
        SealedRun run(context, shape, {in});
        run.step({{0, 0, tokens}});
        const std::vector<double> expected = run.reference(0, tokens - 8, 8);
        const std::vector<float> out(run.output().end() - static_cast<std::ptrdiff_t>(expected.size()),
                                     run.output().end());
        const double most = (format == KvFormat::kKv8    ? 3e-4
                             : format == KvFormat::kK8v4 ? 0.01
                                                         : 0.02) +
                            (rounds ? 4e-3 : 0.0);
        ASSERT_LT(relative_error(out, expected), most)
            << name_of(format) << " head " << head_dim << " page " << page_tokens << " group " << group;
      }
    }
  }
}

TEST_P(SealedAttention, ChunksThreadsAndSlotsDoNotChangeBits) {
  for (const KvFormat format : kCoded) {
    for (const int64_t window : {0, 40}) {
      for (const int64_t head_dim : {64, 21}) {
        const SealedShape shape{{6, 2, head_dim, 16, dtype(), window}, format};
        const AttentionInputs in(shape.attention, 150, 9);
        const std::vector<float> expected = run_whole(CpuContext(isa(), 1), shape, in);
        ASSERT_TRUE(same_bits(run_whole(CpuContext(isa(), 3), shape, in, 5), expected));
        for (const int64_t chunk : {1, 7, 16, 64, 100}) {
          ASSERT_TRUE(same_bits(in_chunks(shape, in, chunk), expected))
              << name_of(format) << " chunk " << chunk << " window " << window << " head " << head_dim;
        }
      }
    }
  }
}

TEST_P(SealedAttention, BatchDoesNotChangeBits) {
  for (const KvFormat format : kCoded) {
    const SealedShape shape{{3, 1, 40, 16, dtype(), 0}, format};
    const std::vector<AttentionInputs> sequences = {
        {shape.attention, 70, 1}, {shape.attention, 9, 2}, {shape.attention, 45, 3}};
    const CpuContext context(isa(), 3);
    SealedRun run(context, shape, sequences);
    run.step({{0, 0, 30}, {1, 0, 8}});
    run.step({{2, 0, 45}, {0, 30, 1}, {1, 8, 1}});
    run.step({{0, 31, 39}});
    for (size_t i = 0; i < sequences.size(); ++i) {
      EXPECT_TRUE(same_bits(run.output(i), run_whole(context, shape, sequences[i]))) << name_of(format) << i;
    }
  }
}

// A list of all pages is no list; a list that leaves pages out reads the others as if the sequence had no more.
TEST_P(SealedAttention, WalksTheListedPages) {
  for (const KvFormat format : {KvFormat::kFull, KvFormat::kKv8, KvFormat::kK8v4, KvFormat::kKv4}) {
    const SealedShape shape{{4, 2, 32, 16, dtype(), 0}, format};
    const std::vector<AttentionInputs> sequences = {{shape.attention, 85, 1}, {shape.attention, 40, 2}};
    const CpuContext context(isa(), 2);
    const auto last_outputs = [&](const SealedRun::Lists& lists) {
      SealedRun run(context, shape, sequences);
      run.step({{0, 0, 84}, {1, 0, 20}});
      run.step({{0, 84, 1}, {1, 20, 20}}, lists);  // a single token beside a chunk
      std::vector<float> out(run.output(0).end() - 4 * 32, run.output(0).end());
      out.insert(out.end(), run.output(1).begin(), run.output(1).end());
      return out;
    };
    using List = std::optional<std::vector<int32_t>>;
    const std::vector<float> dense = last_outputs({});
    const List all = std::vector<int32_t>{0, 1, 2, 3, 4, 5}, none = std::nullopt;
    EXPECT_TRUE(same_bits(last_outputs({all, all, none, none}), dense)) << name_of(format);
    EXPECT_TRUE(same_bits(last_outputs({none, all, none, none}), dense)) << name_of(format);
    const std::vector<float> sparse = last_outputs({std::vector<int32_t>{0, 3, 5}, all, none, none});
    EXPECT_FALSE(same_bits(sparse, dense));
    // Head 1 and the other row are as they were.
    EXPECT_TRUE(same_bits({sparse.begin() + 2 * 32, sparse.end()}, {dense.begin() + 2 * 32, dense.end()}));
  }
}

// Half of the slots, with it one of a first page's two or the other.
TEST_P(SealedAttention, PagesInTheHostDoNotChangeBits) {
  using List = std::optional<std::vector<int32_t>>;
  for (const KvFormat format : {KvFormat::kFull, KvFormat::kKv8, KvFormat::kK8v4, KvFormat::kKv4}) {
    for (const int64_t window : {0, 40}) {
      const SealedShape shape{{4, 2, 32, 16, dtype(), window}, format};
      const AttentionInputs in(shape.attention, 85, 1);
      const CpuContext context(isa(), 2);
      SealedRun run(context, shape, {in});
      run.step({{0, 0, 85}});
      const std::vector<float> expected = run.output();
      run.move_to_host(0, 5);
      run.step({{0, 82, 3}});  // its page is open
      EXPECT_TRUE(same_bits(run.output(), expected)) << name_of(format) << " window " << window;
      const List some = std::vector<int32_t>{0, 1, 2, 5};
      run.step({{0, 84, 1}}, {some, some});
      const std::vector<float> listed = run.output();
      EXPECT_FALSE(same_bits(listed, expected));
      SealedRun on_device(context, shape, {in});
      on_device.step({{0, 0, 85}});
      on_device.step({{0, 84, 1}}, {some, some});
      EXPECT_TRUE(same_bits(listed, on_device.output())) << name_of(format) << " window " << window;
    }
  }
}

// What a list leaves out may hold anything: the same as a short sequence of the listed pages.
TEST_P(SealedAttention, LeavesOutTheOtherPages) {
  for (const KvFormat format : {KvFormat::kFull, KvFormat::kKv8}) {  // their pages do not depend on their number
    const SealedShape shape{{2, 1, 32, 16, dtype(), 0}, format};
    const AttentionInputs in(shape.attention, 83, 1);
    AttentionInputs short_in(shape.attention, 51, 1);
    const std::vector<int64_t> listed = {0, 3, 4, 5};
    for (size_t i = 0; i < listed.size(); ++i) {
      const int64_t tokens = i == 3 ? 3 : 16, from = listed[i] * 16, to = static_cast<int64_t>(i) * 16;
      std::copy_n(in.k.begin() + from * 32, tokens * 32, short_in.k.begin() + to * 32);
      std::copy_n(in.v.begin() + from * 32, tokens * 32, short_in.v.begin() + to * 32);
    }
    std::copy_n(in.q.end() - 64, 64, short_in.q.end() - 64);
    const CpuContext context(isa(), 1);
    SealedRun sparse(context, shape, {in}), dense(context, shape, {short_in});
    sparse.step({{0, 0, 82}});
    sparse.step({{0, 82, 1}}, {std::vector<int32_t>{0, 3, 4, 5}});
    dense.step({{0, 0, 51}});
    EXPECT_TRUE(same_bits({sparse.output().end() - 64, sparse.output().end()},
                          {dense.output().end() - 64, dense.output().end()}))
        << name_of(format);
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, SealedAttention,
                         testing::Combine(testing::ValuesIn(isa_levels()),
                                          testing::Values(DType::kF32, DType::kF16, DType::kBF16)),
                         [](const auto& p) {
                           return std::string(name_of(std::get<0>(p.param))) + "_" +
                                  std::string(name_of(std::get<1>(p.param)));
                         });

// Integer sums are exact: levels differ by what F32 rounds, and by a probability rounded to a neighbour.
TEST(SealedAttentionLevels, Agree) {
  for (const KvFormat format : kCoded) {
    const SealedShape shape{{8, 2, 80, 32, DType::kF32, 0}, format};
    const AttentionInputs in(shape.attention, 300, 3);
    const std::vector<float> expected = run_whole(CpuContext(CpuIsa::kScalar), shape, in);
    for (const CpuIsa isa : isa_levels()) {
      const std::vector<float> out = run_whole(CpuContext(isa), shape, in);
      EXPECT_LT(relative_error(out, {expected.begin(), expected.end()}), format == KvFormat::kKv8 ? 3e-6 : 1e-4)
          << name_of(format) << " " << name_of(isa);
    }
  }
}

TEST(SealedAttentionScores, HugeQueriesStayFinite) {
  for (const CpuIsa isa : isa_levels()) {
    for (const KvFormat format : kCoded) {
      const SealedShape shape{{2, 1, 16, 16, DType::kF32, 0}, format};
      AttentionInputs in(shape.attention, 60, 4);
      for (float& q : in.q) q *= 1e4F;
      for (const float x : run_whole(CpuContext(isa), shape, in)) ASSERT_LT(std::abs(x), 3.5F);
      for (float& q : in.q) q = 0.0F;
      for (const float x : run_whole(CpuContext(isa), shape, in)) ASSERT_LT(std::abs(x), 3.5F);
    }
  }
}

TEST(SealedAttentionErrors, AreNamed) {
  const CpuContext context;
  const SealedShape shape{{2, 1, 16, 16, DType::kF32, 0}, KvFormat::kKv4};
  using Lists = SealedRun::Lists;
  const auto step_with = [&](int64_t tokens, const Lists& lists) {
    SealedRun run(context, shape, {{shape.attention, 60, 4}});
    run.step({{0, 0, 40}});
    run.step({{0, 40, tokens}}, lists);
  };
  step_with(1, {std::vector<int32_t>{0, 2}});
  EXPECT_THROW(step_with(1, {std::vector<int32_t>{0, 1}}), ShapeError);     // without its own page
  EXPECT_THROW(step_with(1, {std::vector<int32_t>{1, 0, 2}}), ShapeError);  // not ascending
  EXPECT_THROW(step_with(1, {std::vector<int32_t>{1, 3}}), ShapeError);     // beyond its own
  EXPECT_THROW(step_with(1, {std::vector<int32_t>{}}), ShapeError);
  EXPECT_THROW(step_with(2, {std::vector<int32_t>{0, 2}}), ShapeError);  // of two tokens
}

}  // namespace
}  // namespace lockstep::test
