#include "kernels/paged_attention.h"
#include "tests/kernels/cuda/sealed_support.h"

#include <string>
#include <vector>

namespace lockstep::test {
namespace {

constexpr KvFormat kCoded[] = {KvFormat::kKv8, KvFormat::kK8v4, KvFormat::kKv4};

AttentionShape shape_of(int64_t group, int64_t kv_heads, int64_t head_dim, int64_t page_tokens, DType dtype,
                        int64_t window = 0) {
  return {group * kv_heads, kv_heads, head_dim, page_tokens, dtype, window};
}

std::string words(const AttentionShape& s, KvFormat format) {
  return "format " + std::to_string(static_cast<int>(format)) + ", " + std::string(name_of(s.page_dtype)) + ", heads " +
         std::to_string(s.heads) + "/" + std::to_string(s.kv_heads) + " of " + std::to_string(s.head_dim) +
         ", pages of " + std::to_string(s.page_tokens) + ", window " + std::to_string(s.window);
}

bool uses_tensor_cores(const AttentionShape& s) {
  return s.page_dtype != DType::kF32 && s.head_dim >= 64 && (s.head_dim % 64 == 0 || s.head_dim == 96);
}

/// A channel of keys far from 0, as biases make them, and one of great spread.
AttentionInputs inputs(const AttentionShape& shape, int64_t tokens, uint64_t seed) {
  AttentionInputs in(shape, tokens, seed);
  for (size_t i = 0; i < in.k.size(); i += static_cast<size_t>(shape.head_dim)) {
    in.k[i] += 4.0F;
    in.k[i + 1] *= 3.0F;
  }
  return in;
}

void expect_reference(CudaContext& context, const AttentionShape& shape, int64_t tokens, const SealedForm& form) {
  const AttentionInputs in = inputs(shape, tokens, 5);
  SealedRun run(context, {in}, form);
  run.step({{0, 0, tokens}});
  const bool is_rounded = uses_tensor_cores(shape);
  const double bound = is_rounded ? 2.0 * rounding(shape.page_dtype) : 8e-6;
  for (int64_t p = 0; p < tokens; p += p % 16 == 15 || p + 7 >= tokens ? 1 : 5) {
    ASSERT_LT(run.worst_error(p, is_rounded ? shape.page_dtype : DType::kF32), bound)
        << "position " << p << ", " << words(shape, form.format);
  }
}

TEST(CudaSealedAttention, TensorCoresMatchTheReference) {
  CudaContext context;
  for (const KvFormat format : kCoded) {
    for (const DType dtype : {DType::kBF16, DType::kF16}) {
      expect_reference(context, shape_of(4, 2, 64, 64, dtype), 150, {format});
      expect_reference(context, shape_of(3, 1, 128, 16, dtype, 40), 83, {format});
    }
    expect_reference(context, shape_of(1, 1, 96, 48, DType::kBF16), 110, {format});
    expect_reference(context, shape_of(2, 1, 256, 64, DType::kF16), 130, {format});
    expect_reference(context, shape_of(8, 1, 64, 128, DType::kBF16, 9), 140, {format});
  }
}

TEST(CudaSealedAttention, OtherShapesMatchTheReference) {
  CudaContext context;
  for (const KvFormat format : kCoded) {
    for (const int64_t head_dim : {5, 8, 64})
      expect_reference(context, shape_of(3, 1, head_dim, 16, DType::kF32), 70, {format});
    expect_reference(context, shape_of(2, 2, 13, 16, DType::kBF16, 20), 70, {format});
    expect_reference(context, shape_of(1, 1, 80, 64, DType::kF16), 140, {format});
  }
}

TEST(CudaSealedAttention, LayersOfWideKeysHaveThemOfEightBits) {
  CudaContext context;
  LayerSet wide;
  wide.insert(1);  // the layer that is read
  expect_reference(context, shape_of(2, 1, 64, 16, DType::kBF16), 70, {KvFormat::kKv4, wide});
  expect_reference(context, shape_of(2, 1, 8, 16, DType::kBF16), 70, {KvFormat::kKv4, wide});
}

// Half of the slots, with it one of a first page's two or the other; tensor cores and not, prompts, tokens and lists.
TEST(CudaSealedAttention, PagesInTheHostDoNotChangeBits) {
  CudaContext context;
  for (const KvFormat format : {KvFormat::kFull, KvFormat::kKv8, KvFormat::kK8v4, KvFormat::kKv4}) {
    for (const AttentionShape& shape :
         {shape_of(4, 2, 64, 64, DType::kBF16), shape_of(2, 2, 13, 16, DType::kF16, 40)}) {
      const int64_t tokens = 5 * shape.page_tokens + 5, own = 5;
      const AttentionInputs in = inputs(shape, tokens, 5);
      const std::vector<int32_t> some = {0, 1, 2, static_cast<int32_t>(own)};
      SealedRun run(context, {in}, {format});
      const auto outputs = [&] {
        run.forget();
        run.step({{0, tokens - 3, 2}, {0, tokens - 1, 1}});
        std::vector<float> all = run.output();
        run.step({{0, tokens - 1, 1}}, {}, {{some, some}});
        all.insert(all.end(), run.output().begin(), run.output().end());
        return all;
      };
      const std::vector<float> expected = outputs();
      run.move_to_host(own);
      EXPECT_TRUE(same_bits(outputs(), expected)) << words(shape, format);
      EXPECT_FALSE(std::any_of(expected.begin(), expected.end(), [](float x) { return std::isnan(x); }));
    }
  }
}

TEST(CudaSealedAttention, RecordedWorkServesOtherRows) {
  CudaContext context;
  for (const KvFormat format : kCoded) {
    const AttentionShape shape = shape_of(2, 1, 64, 16, DType::kBF16);
    const AttentionInputs in = inputs(shape, 600, 8);  // two spans
    SealedRun run(context, {in}, {format});
    const std::vector<Chunk> chunks = {{0, 599, 1}, {0, 20, 1}};
    const PageLists lists = {{{0, 3, 7, 37}}, {}};
    run.step(chunks, {.max_end = 1024}, lists);
    const std::vector<float> expected = run.output();
    run.forget();
    run.step(chunks, {.max_end = 1024, .is_recorded = true}, lists);
    EXPECT_TRUE(same_bits(run.output(), expected)) << words(shape, format);
  }
}

// A query of a page's first token sees the page before as codes, that page's own last token as it was written.
TEST(CudaSealedAttention, ChunksDoNotChangeBits) {
  CudaContext context;
  for (const KvFormat format : kCoded) {
    for (const AttentionShape& shape : {shape_of(3, 1, 64, 16, DType::kBF16, 33), shape_of(2, 1, 128, 64, DType::kF16),
                                        shape_of(1, 2, 5, 16, DType::kF32)}) {
      const AttentionInputs in = inputs(shape, 100, 9);
      SealedRun whole(context, {in}, {format}), run(context, {in}, {format}, 7);
      whole.step({{0, 0, in.num_tokens}});
      for (const int64_t chunk : {1, 7, 64}) {
        run.forget();
        for (int64_t t = 0; t < in.num_tokens; t += chunk) run.step({{0, t, std::min(chunk, in.num_tokens - t)}});
        EXPECT_TRUE(same_bits(run.output(), whole.output())) << "chunk " << chunk << ", " << words(shape, format);
      }
    }
  }
}

TEST(CudaSealedAttention, BatchDoesNotChangeBits) {
  CudaContext context;
  for (const AttentionShape& shape : {shape_of(3, 1, 64, 16, DType::kBF16), shape_of(3, 1, 40, 16, DType::kF16)}) {
    const std::vector<AttentionInputs> sequences = {inputs(shape, 110, 1), inputs(shape, 9, 2), inputs(shape, 45, 3),
                                                    inputs(shape, 2, 4)};
    SealedRun run(context, sequences, {KvFormat::kKv4});
    run.step({{0, 0, 70}, {1, 0, 8}, {3, 0, 1}});
    run.step({{2, 0, 45}, {0, 70, 1}, {1, 8, 1}, {3, 1, 1}}, {.padding_rows = 3});
    run.step({{0, 71, 39}}, {.padding_rows = 2, .padding_tokens = 30});
    for (size_t i = 0; i < sequences.size(); ++i) {
      SealedRun alone(context, {sequences[i]}, {KvFormat::kKv4}, 5);
      alone.step({{0, 0, sequences[i].num_tokens}});
      EXPECT_TRUE(same_bits(run.output(i), alone.output())) << "sequence " << i << ", " << words(shape, KvFormat::kKv4);
    }
  }
}

// Single tokens on both sides of the edges of spans, once with a span a block of the grid, once without.
TEST(CudaSealedAttention, SplitRowsDoNotChangeBits) {
  CudaContext context;
  for (const auto& [shape, format] : {std::pair(shape_of(2, 1, 64, 64, DType::kBF16), KvFormat::kKv8),
                                      std::pair(shape_of(1, 1, 64, 16, DType::kF16, 600), KvFormat::kKv4)}) {
    const AttentionInputs in = inputs(shape, 1100, 3);
    SealedRun run(context, {in}, {format});
    std::vector<Chunk> singles;
    for (const int64_t p : {0, 63, 511, 512, 575, 1023, 1024, 1099}) singles.push_back({0, p, 1});
    run.step({{0, 0, 1100}});
    const std::vector<float> expected = run.output();
    run.step(singles);
    EXPECT_TRUE(same_bits(run.output(), expected)) << "split, " << words(shape, format);
    constexpr int64_t kFillsDevice = 1200;
    run.step(singles, {.padding_rows = kFillsDevice});
    EXPECT_TRUE(same_bits(run.output(), expected)) << "not split, " << words(shape, format);
    run.step(singles, {.padding_rows = 2, .max_end = 5000});
    EXPECT_TRUE(same_bits(run.output(), expected)) << "more spans than keys, " << words(shape, format);
  }
}

// Halves at the end of their range: the greatest code may stand for more than a half holds.
TEST(CudaSealedAttention, HugeValuesStayFinite) {
  CudaContext context;
  for (const KvFormat format : kCoded) {
    AttentionInputs in(shape_of(1, 1, 64, 16, DType::kF16), 70, 4);
    std::fill(in.v.begin(), in.v.end(), 65504.0F);
    SealedRun run(context, {in}, {format});
    run.step({{0, 0, 69}, {0, 69, 1}});
    for (const float x : run.output()) ASSERT_NEAR(x, 65504.0F, 100.0F);
  }
}

// The CPU's body takes queries and weights as integers of 15 and 16 bits, for codes of 4 bits of 8; this one rounds
// what codes stand for.
TEST(CudaSealedAttention, AgreesWithTheCpu) {
  CudaContext context;
  for (const KvFormat format : kCoded) {
    for (const AttentionShape& shape : {shape_of(4, 2, 64, 64, DType::kBF16), shape_of(2, 1, 128, 16, DType::kF16, 50),
                                        shape_of(1, 2, 5, 16, DType::kF32)}) {
      const AttentionInputs in = inputs(shape, 150, 11);
      SealedRun run(context, {in}, {format}), on_cpu(context, {in}, {format});
      run.step({{0, 0, 149}, {0, 149, 1}});
      on_cpu.step_on_cpu({{0, 0, 149}, {0, 149, 1}});
      const double of_cpu = format == KvFormat::kKv8 ? 1e-3 : 0.03;
      const double bound = of_cpu + (uses_tensor_cores(shape) ? 2.0 * rounding(shape.page_dtype) : 0.0);
      double worst = 0.0;
      for (size_t i = 0; i < run.output().size(); ++i) {
        const double difference = std::abs(run.output()[i] - on_cpu.output()[i]);
        worst = std::isnan(difference) ? INFINITY : std::max(worst, difference);
      }
      EXPECT_LT(worst, bound) << words(shape, format);
    }
  }
}

std::vector<int32_t> all_pages(int64_t position, int64_t page_tokens) {
  std::vector<int32_t> pages(static_cast<size_t>(position / page_tokens + 1));
  std::iota(pages.begin(), pages.end(), 0);
  return pages;
}

TEST(CudaPageSelection, ListsOfAllPagesDoNotChangeBits) {
  CudaContext context;
  for (const KvFormat format : {KvFormat::kFull, KvFormat::kKv8, KvFormat::kKv4}) {
    for (const AttentionShape& shape : {shape_of(2, 2, 64, 16, DType::kBF16), shape_of(1, 1, 64, 64, DType::kF16, 90),
                                        shape_of(2, 1, 8, 16, DType::kF32, 50)}) {
      const AttentionInputs in = inputs(shape, 600, 3);
      SealedRun run(context, {in}, {format});
      std::vector<Chunk> singles;
      PageLists lists;
      for (const int64_t p : {15, 130, 543, 599}) {
        singles.push_back({0, p, 1});
        lists.emplace_back(static_cast<size_t>(shape.kv_heads), all_pages(p, shape.page_tokens));
      }
      run.step(singles);
      const std::vector<float> expected = run.output();
      run.forget();
      run.step(singles, {}, lists);
      EXPECT_TRUE(same_bits(run.output(), expected)) << words(shape, format);
    }
  }
}

// A list for each KV head, rows without one and a prompt beside them; spans that lists are cut into, folded or not.
TEST(CudaPageSelection, OnlyListedPagesAreSeen) {
  CudaContext context;
  for (const KvFormat format : {KvFormat::kFull, KvFormat::kKv8, KvFormat::kKv4}) {
    for (const AttentionShape& shape :
         {shape_of(2, 2, 64, 16, DType::kBF16), shape_of(1, 2, 128, 64, DType::kF16),
          shape_of(3, 2, 64, 16, DType::kBF16, 300), shape_of(2, 2, 13, 16, DType::kF32)}) {
      constexpr int64_t kTokens = 1300;
      const AttentionInputs in = inputs(shape, kTokens, 8);
      SealedRun run(context, {in}, {format});
      const auto own = static_cast<int32_t>((kTokens - 1) / shape.page_tokens);
      std::vector<int32_t> many;  // more than a span's
      for (int32_t page = 0; page <= own; ++page) {
        if (page % 3 != 1 || page == own) many.push_back(page);
      }
      const std::vector<std::vector<int32_t>> lists = {{0, 2, own - 3, own}, many};
      const std::vector<std::vector<int32_t>> only_own = {{1}, {0, 1}};
      const std::vector<Chunk> chunks = {
          {0, kTokens - 1, 1}, {0, 40, 20}, {0, kTokens - 2, 1}, {0, shape.page_tokens + 2, 1}};
      const DType operands = uses_tensor_cores(shape) ? shape.page_dtype : DType::kF32;
      const double bound = uses_tensor_cores(shape) ? 2.0 * rounding(shape.page_dtype) : 8e-6;
      for (const int64_t padding : {0, 1200}) {
        run.forget();
        run.step(chunks, {.padding_rows = padding}, {lists, {}, {}, only_own});
        EXPECT_LT(run.worst_error(kTokens - 1, operands, 0, lists), bound) << words(shape, format);
        EXPECT_LT(run.worst_error(kTokens - 2, operands), bound) << words(shape, format);
        EXPECT_LT(run.worst_error(45, operands), bound) << words(shape, format);
        EXPECT_LT(run.worst_error(shape.page_tokens + 2, operands, 0, only_own), bound) << words(shape, format);
      }
    }
  }
}

}  // namespace
}  // namespace lockstep::test
