#include "kernels/paged_attention.h"

#include "tests/kernels/cuda/attention_support.h"

#include <string>
#include <vector>

namespace lockstep::test {
namespace {

/// Queries as the tensor-core kernels read them, so that the reference sees the same.
AttentionInputs rounded_inputs(const AttentionShape& shape, int64_t tokens, uint64_t seed) {
  AttentionInputs in(shape, tokens, seed);
  for (float& q : in.q) q = as_stored(q, shape.page_dtype);
  return in;
}

std::vector<float> whole(CudaContext& context, const AttentionInputs& in, uint64_t slot_seed = 1) {
  DeviceAttentionRun run(context, {in}, slot_seed);
  run.step({{0, 0, in.num_tokens}});
  return run.output();
}

std::vector<float> in_chunks(CudaContext& context, const AttentionInputs& in, int64_t chunk) {
  DeviceAttentionRun run(context, {in});
  for (int64_t t = 0; t < in.num_tokens; t += chunk) run.step({{0, t, std::min(chunk, in.num_tokens - t)}});
  return run.output();
}

double worst_error(const std::vector<float>& out, const std::vector<double>& expected) {
  double worst = 0.0;
  for (size_t i = 0; i < out.size(); ++i) {
    const double error = std::abs(out[i] - expected[i]);
    worst = std::isnan(error) ? INFINITY : std::max(worst, error);
  }
  return worst;
}

/// Weights are rounded to the page type; their sum is that of the rounded ones.
double tolerance(DType dtype) { return dtype == DType::kF32 ? 4e-6 : 1.5 * rounding(dtype); }

AttentionShape shape_of(int64_t group, int64_t kv_heads, int64_t head_dim, int64_t page_tokens, DType dtype,
                        int64_t window = 0) {
  return {group * kv_heads, kv_heads, head_dim, page_tokens, dtype, window};
}

std::string words(const AttentionShape& s) {
  return std::string(name_of(s.page_dtype)) + ", heads " + std::to_string(s.heads) + "/" + std::to_string(s.kv_heads) +
         " of " + std::to_string(s.head_dim) + ", pages of " + std::to_string(s.page_tokens) + ", window " +
         std::to_string(s.window);
}

void expect_reference(CudaContext& context, const AttentionShape& shape, int64_t tokens) {
  const AttentionInputs in = rounded_inputs(shape, tokens, 5);
  EXPECT_LT(worst_error(whole(context, in), reference_attention(in)), tolerance(shape.page_dtype))
      << words(shape) << ", " << tokens << " tokens";
}

TEST(CudaPagedAttention, TensorCoresMatchTheReference) {
  CudaContext context;
  for (const DType dtype : {DType::kBF16, DType::kF16}) {
    for (const int64_t head_dim : {64, 96, 128, 256}) {
      expect_reference(context, shape_of(4, 2, head_dim, 64, dtype), 70);
      expect_reference(context, shape_of(3, 1, head_dim, 16, dtype, 9), 83);
    }
    for (const int64_t group : {1, 8, 20}) expect_reference(context, shape_of(group, 1, 64, 64, dtype, 40), 66);
    for (const int64_t page_tokens : {48, 80, 128})
      expect_reference(context, shape_of(1, 2, 64, page_tokens, dtype), 140);
  }
}

TEST(CudaPagedAttention, OtherShapesMatchTheReference) {
  CudaContext context;
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const int64_t head_dim : {5, 8, 80}) {
      for (const int64_t page_tokens : {1, 7, 16, 64}) {
        expect_reference(context, shape_of(3, 1, head_dim, page_tokens, dtype, page_tokens == 7 ? 9 : 0), 40);
      }
    }
  }
  expect_reference(context, shape_of(2, 2, 128, 64, DType::kF32), 70);
  expect_reference(context, shape_of(1, 1, 64, 7, DType::kBF16), 70);
}

TEST(CudaPagedAttention, LongRowsMatchTheReference) {
  CudaContext context;
  for (const int64_t window : {0, 600}) {
    expect_reference(context, shape_of(1, 1, 64, 64, window == 0 ? DType::kBF16 : DType::kF16, window), 1300);
  }
  for (const int64_t tokens : {1, 2, 16, 64, 65, 511, 512, 513}) {
    expect_reference(context, shape_of(1, 1, 64, 64, DType::kF16), tokens);
  }
}

TEST(CudaPagedAttention, ChunksDoNotChangeBits) {
  CudaContext context;
  for (const AttentionShape& shape : {shape_of(4, 1, 64, 64, DType::kBF16), shape_of(3, 2, 128, 16, DType::kF16, 33),
                                      shape_of(1, 1, 96, 48, DType::kBF16), shape_of(2, 1, 256, 64, DType::kBF16),
                                      shape_of(3, 1, 21, 24, DType::kF16, 33), shape_of(2, 1, 64, 7, DType::kF32)}) {
    const AttentionInputs in(shape, 100, 9);
    const std::vector<float> expected = whole(context, in);
    for (const int64_t chunk : {1, 7, 64}) {
      EXPECT_TRUE(same_bits(in_chunks(context, in, chunk), expected)) << "chunk " << chunk << ", " << words(shape);
    }
  }
}

// Single tokens on both sides of the edges of blocks and spans, once with a span a block of the grid, once without.
TEST(CudaPagedAttention, SplitRowsDoNotChangeBits) {
  CudaContext context;
  const std::vector<int64_t> positions = {0, 1, 63, 64, 510, 511, 512, 513, 575, 576, 1022, 1023, 1024, 1025, 1299};
  for (const AttentionShape& shape :
       {shape_of(1, 1, 64, 64, DType::kBF16), shape_of(2, 1, 128, 64, DType::kF16),
        shape_of(2, 1, 64, 16, DType::kF16, 600), shape_of(1, 1, 256, 64, DType::kBF16, 530),
        shape_of(20, 1, 64, 64, DType::kBF16, 700)}) {
    const AttentionInputs in(shape, 1300, 3);
    DeviceAttentionRun run(context, {in});
    std::vector<Chunk> singles;
    for (const int64_t p : positions) {
      if (shape.heads == 20 && p < 1000) continue;  // for the emulation's sake
      singles.push_back({0, p, 1});
    }
    if (shape.heads == 20) {
      run.write_only({0, 0, 1000});
      run.step({{0, 1000, 300}});
    } else {
      run.step({{0, 0, 1300}});
    }
    const std::vector<float> expected = run.output();
    run.step(singles);
    EXPECT_TRUE(same_bits(run.output(), expected)) << "split, " << words(shape);
    constexpr int64_t kFillsDevice = 1200;
    run.step(singles, {.padding_rows = kFillsDevice});
    EXPECT_TRUE(same_bits(run.output(), expected)) << "not split, " << words(shape);
    run.step(singles, {.padding_rows = 2, .max_end = 5000});
    EXPECT_TRUE(same_bits(run.output(), expected)) << "more spans than keys, " << words(shape);
  }
}

// Keys behind a row's last token are NaN, in the middle of a block of the second span.
TEST(CudaPagedAttention, LongRowsInChunksDoNotChangeBits) {
  CudaContext context;
  const AttentionInputs in(shape_of(2, 1, 64, 64, DType::kBF16), 800, 21);
  const std::vector<float> expected = whole(context, in);
  DeviceAttentionRun run(context, {in}, 7);
  int64_t first = 0;
  for (const int64_t count :
       {int64_t{300}, int64_t{1}, int64_t{211}, int64_t{1}, int64_t{2}, int64_t{80}, int64_t{1}, int64_t{204}}) {
    run.step({{0, first, count}});
    first += count;
  }
  EXPECT_EQ(first, in.num_tokens);
  EXPECT_TRUE(same_bits(run.output(), expected));
}

TEST(CudaPagedAttention, PlacesOfPagesDoNotChangeBits) {
  CudaContext context;
  AttentionInputs in(shape_of(4, 2, 64, 64, DType::kBF16), 150, 13);
  const std::vector<float> expected = whole(context, in, 1);
  EXPECT_TRUE(same_bits(whole(context, in, 2), expected));
  for (const int64_t page_tokens : {16, 48}) {
    in.shape.page_tokens = page_tokens;
    EXPECT_TRUE(same_bits(whole(context, in, 3), expected)) << "pages of " << page_tokens;
  }
}

// Sequences of different lengths, prompt chunks, single tokens and padding in one call: each as if alone.
TEST(CudaPagedAttention, BatchDoesNotChangeBits) {
  CudaContext context;
  for (const AttentionShape& shape : {shape_of(3, 1, 64, 16, DType::kBF16), shape_of(3, 1, 40, 16, DType::kF16)}) {
    const std::vector<AttentionInputs> sequences = {{shape, 110, 1}, {shape, 9, 2}, {shape, 45, 3}, {shape, 2, 4}};
    DeviceAttentionRun run(context, sequences);
    run.step({{0, 0, 70}, {1, 0, 8}, {3, 0, 1}});
    run.step({{2, 0, 45}, {0, 70, 1}, {1, 8, 1}, {3, 1, 1}}, {.padding_rows = 3});
    run.step({{0, 71, 39}}, {.padding_rows = 2, .padding_tokens = 30});
    for (size_t i = 0; i < sequences.size(); ++i) {
      EXPECT_TRUE(same_bits(run.output(i), whole(context, sequences[i]))) << "sequence " << i << ", " << words(shape);
    }
  }
}

TEST(CudaPagedAttention, ResultsAreRoundedToTheOutputType) {
  CudaContext context;
  for (const int64_t head_dim : {64, 20}) {
    const AttentionInputs in(shape_of(2, 1, head_dim, 16, DType::kBF16), 40, 6);
    DeviceAttentionRun run(context, {in});
    const std::vector<Chunk> chunks = {{0, 0, 39}, {0, 39, 1}};
    run.step(chunks);
    const std::vector<float> exact = run.output();
    for (const DType dtype : {DType::kF16, DType::kBF16}) {
      std::vector<float> expected = exact;
      for (float& value : expected) value = as_stored(value, dtype);
      for (const int64_t gap : {0, 1}) {  // with an odd stride, neighbours cannot be stored at once
        run.step(chunks, {.out_dtype = dtype, .out_gap = gap});
        EXPECT_TRUE(same_bits(run.output(), expected)) << name_of(dtype) << ", head " << head_dim << ", gap " << gap;
      }
    }
  }
}

TEST(CudaPagedAttention, RecordedWorkServesOtherRows) {
  CudaContext context;
  const AttentionInputs in(shape_of(2, 1, 64, 64, DType::kBF16), 1100, 8);
  DeviceAttentionRun run(context, {in});
  run.step({{0, 0, 1100}});
  const std::vector<float> expected = run.output();
  run.step_recorded({{0, 1099, 1}, {0, 5, 1}}, {{0, 300, 1}, {0, 1025, 1}}, {.padding_rows = 1});
  EXPECT_TRUE(same_bits(run.output(), expected));
  run.step_recorded({{0, 3, 1}, {0, 5, 1}}, {{0, 512, 1}, {0, 1023, 1}}, {.max_end = 600});  // two spans, rounded up
  EXPECT_TRUE(same_bits(run.output(), expected));
}

TEST(CudaPagedAttention, ErrorsAreNamed) {
  CudaContext context;
  const DeviceArray numbers(context, std::vector<int32_t>(8)), data(context, DType::kF32, 256);
  const auto* const array = static_cast<const int32_t*>(numbers.data());
  const KvPages pages{static_cast<std::byte*>(data.data()), {16, 1, 1, 4, DType::kF32}};
  const auto attend = [&](const RaggedRows& rows) {
    paged_attention(context, data.view({3, 1, 4}), rows, 0, pages, 1.0F, 0, data.view({3, 4}));
  };
  RaggedRows rows{2, 3, array, array, array, array};
  rows.num_single_rows = 1;
  rows.max_row_tokens = 2;
  EXPECT_THROW(attend(rows), Error);  // no token_row
  rows.token_row = array;
  rows.max_row_tokens = 1;
  EXPECT_THROW(attend(rows), ShapeError);
  rows.max_row_tokens = 2;
  rows.num_single_rows = 3;
  EXPECT_THROW(attend(rows), ShapeError);
}

TEST(CudaPagedAttention, HugeScoresStayFinite) {
  CudaContext context;
  for (const DType dtype : {DType::kBF16, DType::kF32}) {
    AttentionInputs in = rounded_inputs(shape_of(1, 1, 64, 16, dtype), 90, 4);
    for (float& q : in.q) q *= 1024.0F;
    EXPECT_LT(worst_error(whole(context, in), reference_attention(in)), 0.02);
  }
}

}  // namespace
}  // namespace lockstep::test
