#include "kernels/linear.h"

#include "core/graph.h"
#include "tests/kernels/cuda/linear_support.h"

#include <cstdlib>
#include <gtest/gtest.h>
#include <optional>

namespace lockstep {
namespace {

using test::CudaContext;
using test::DeviceArray;
using test::even_segments;
using test::HostMatrix;
using test::kOdd;
using test::same_bits;
using test::Spacing;

class CudaLinearTest : public testing::TestWithParam<DType> {
 protected:
  static DType dtype() { return GetParam(); }
  std::vector<DType> out_dtypes() const {
    return dtype() == DType::kF32 ? std::vector{DType::kF32} : std::vector{DType::kF32, dtype()};
  }
  LinearWeight pack(const ConstTensorView& w, SegmentBounds segments) {
    return test::pack(context_, w, std::move(segments));
  }

  CudaContext context_;
};

TEST_P(CudaLinearTest, MatchesDoubleReference) {
  struct Case {
    int64_t rows, n, k, segments;
  };
  constexpr Case kCases[] = {{1, 1, 1, 1},     {1, 3, 5, 1},     {3, 7, 43, 1},  {5, 172, 64, 1},
                             {2, 64, 172, 8},  {13, 33, 171, 4}, {25, 40, 6, 8}, {9, 96, 128, 2},
                             {70, 56, 256, 8}, {2, 5, 0, 1},     {3, 16, 0, 2}};
  for (const Case& c : kCases) {
    HostMatrix x = HostMatrix::random(dtype(), c.rows, c.k, 1), w = HostMatrix::random(dtype(), c.n, c.k, 2, 9);
    const LinearWeight packed = pack(w.view(), even_segments(c.k, c.segments));
    EXPECT_EQ(packed.packed.bytes(), packed_linear_bytes(context_, c.n, dtype(), even_segments(c.k, c.segments)));
    for (const DType out_dtype : out_dtypes()) {
      for (const Spacing& spacing : {Spacing{}, Spacing{.x_padding = 8, .out_padding = 16}, kOdd}) {
        SCOPED_TRACE(testing::Message() << c.rows << " x " << c.n << " x " << c.k << ", segments " << c.segments
                                        << ", out " << name_of(out_dtype) << ", padding " << spacing.x_padding);
        const std::vector<float> out = test::product(context_, x, packed, out_dtype, spacing);
        for (int64_t i = 0; i < c.rows * c.n; ++i) {
          double want = 0, magnitude = 0;
          for (int64_t k = 0; k < c.k; ++k) {
            const double term = double{x.at(i / c.n, k)} * double{w.at(i % c.n, k)};
            want += term;
            magnitude += std::abs(term);
          }
          const double rounding = out_dtype == DType::kF32 ? 0 : test::rounding(out_dtype) * std::abs(want);
          ASSERT_NEAR(out[static_cast<size_t>(i)], want, 2e-6 * magnitude + rounding) << i;
        }
      }
    }
  }
}

// Whole numbers make every sum exact, so that one misplaced element shows.
TEST_P(CudaLinearTest, StackedPartsAndBias) {
  for (const int64_t last : {30, 27}) {  // in all a multiple of 8 columns, and not
    HostMatrix a = HostMatrix::whole_numbers(dtype(), 10, 24, 1, 4),
               b = HostMatrix::whole_numbers(dtype(), 8, 24, 2, 4),
               c = HostMatrix::whole_numbers(dtype(), last, 24, 3, 4),
               x = HostMatrix::whole_numbers(dtype(), 5, 24, 4, 4);
    const int64_t n = 18 + last;
    HostMatrix bias = HostMatrix::whole_numbers(DType::kBF16, 1, n, 5, 100);
    const ConstTensorView parts[] = {a.view(), b.view(), c.view()};
    std::vector<ConstTensorView> biases;
    for (int64_t begin = 0; const ConstTensorView& part : parts) {
      biases.emplace_back(bias.view().as<BFloat16>() + begin, DType::kBF16, Shape{part.size(0)});
      begin += part.size(0);
    }
    for (const int64_t segments : {1, 4}) {
      const LinearWeight packed = pack_linear_weight(context_, parts, biases, even_segments(24, segments));
      for (const DType out_dtype : out_dtypes()) {
        for (const Spacing& spacing : {Spacing{}, kOdd}) {
          const std::vector<float> out = test::product(context_, x, packed, out_dtype, spacing);
          for (int64_t i = 0; i < 5 * n; ++i) {
            const int64_t column = i % n;
            const HostMatrix& w = column < 10 ? a : column < 18 ? b : c;
            const int64_t row = column < 10 ? column : column < 18 ? column - 10 : column - 18;
            float want = bias.at(0, column);
            for (int64_t k = 0; k < 24; ++k) want += x.at(i / n, k) * w.at(row, k);
            const HostMatrix rounded(out_dtype, 1, 1, {want});
            ASSERT_EQ(out[static_cast<size_t>(i)], rounded.at(0, 0)) << i << ", segments " << segments;
          }
        }
      }
    }
  }
}

// The type's own result is the F32 result rounded once, with and without bias, wherever the bias is added.
TEST_P(CudaLinearTest, RoundsOnce) {
  HostMatrix x = HostMatrix::random(dtype(), 6, 64, 1), bias = HostMatrix::random(DType::kF32, 1, 72, 3);
  for (const int64_t n : {72, 67}) {
    HostMatrix w = HostMatrix::random(dtype(), n, 64, 2);
    const ConstTensorView part = w.view(), added(bias.view().data(), DType::kF32, {n});
    const LinearWeight plain = pack(part, {0, 64}),
                       biased = pack_linear_weight(context_, std::span(&part, 1), std::span(&added, 1), {0, 64});
    const std::vector<float> sums = test::product(context_, x, plain), all = test::product(context_, x, biased);
    for (size_t i = 0; i < sums.size(); ++i) {
      ASSERT_EQ(all[i], sums[i] + bias.at(0, static_cast<int64_t>(i) % n)) << i;
    }
    HostMatrix rounded_sums(dtype(), 6, n, sums), rounded(dtype(), 6, n, all);
    const std::vector<float> own_sums = test::product(context_, x, plain, dtype()),
                             own = test::product(context_, x, biased, dtype());
    for (int64_t i = 0; i < 6 * n; ++i) {
      ASSERT_EQ(own_sums[static_cast<size_t>(i)], rounded_sums.at(i / n, i % n)) << i;
      ASSERT_EQ(own[static_cast<size_t>(i)], rounded.at(i / n, i % n)) << i;
    }
  }
}

TEST_P(CudaLinearTest, RowsDoNotDependOnTheBatch) {
  struct Case {
    int64_t n, k, segments;
  };
  for (const Case& c : {Case{96, 176, 1}, Case{83, 173, 1}, Case{80, 256, 4}, Case{33, 173, 8}}) {
    HostMatrix x = HostMatrix::random(dtype(), 300, c.k, 1), w = HostMatrix::random(dtype(), c.n, c.k, 2);
    const LinearWeight packed = pack(w.view(), even_segments(c.k, c.segments));
    for (const DType out_dtype : out_dtypes()) {
      const std::vector<float> all = test::product(context_, x, packed, out_dtype);
      for (const int64_t count : {1, 2, 3, 7, 8, 11, 16, 17, 31, 33, 40, 64, 65, 130}) {
        const int64_t first = 300 - count - count % 3;
        const Spacing spacing = count % 2 == 0 ? Spacing{} : kOdd;
        const std::vector<float> some = test::product(context_, x, first, first + count, packed, out_dtype, spacing);
        ASSERT_TRUE(same_bits(some, test::part(all, c.n, first, first + count, 0, c.n)))
            << count << " rows, " << c.n << " x " << c.k;
      }
    }
  }
}

TEST_P(CudaLinearTest, ColumnsDoNotDependOnTheShard) {
  HostMatrix x = HostMatrix::random(dtype(), 9, 104, 1), w = HostMatrix::random(dtype(), 360, 104, 2);
  for (const DType out_dtype : out_dtypes()) {
    const std::vector<float> all = test::product(context_, x, pack(w.view(), {0, 104}), out_dtype);
    for (const auto& [begin, end] : {std::pair<int64_t, int64_t>{0, 180}, {180, 360}, {7, 8}, {33, 81}, {96, 192}}) {
      const LinearWeight shard = pack(w.view().slice(0, begin, end), {0, 104});
      EXPECT_TRUE(same_bits(test::product(context_, x, shard, out_dtype), test::part(all, 360, 0, 9, begin, end)))
          << begin << " to " << end;
    }
  }
}

// Ranks of tensor parallelism tp hold 8 / tp segments each; adding their results pairwise gives the bits of one rank.
TEST_P(CudaLinearTest, SegmentsMakeInputShardsAddUp) {
  for (const int64_t k : {344, 172, 65, 43, 8, 5, 1024}) {
    HostMatrix x = HostMatrix::random(dtype(), 3, k, 1), w = HostMatrix::random(dtype(), 24, k, 2);
    const SegmentBounds bounds = even_segments(k, 8);
    const std::vector<float> whole = test::product(context_, x, pack(w.view(), bounds));
    for (const size_t tp : {2U, 4U, 8U}) {
      std::vector<std::vector<float>> sums;
      for (size_t rank = 0; rank < tp; ++rank) {
        const size_t first = rank * 8 / tp, last = (rank + 1) * 8 / tp;
        SegmentBounds local;
        for (size_t s = first; s <= last; ++s) local.push_back(bounds[s] - bounds[first]);
        std::vector<float> slice;
        for (int64_t i = 0; i < 3 * local.back(); ++i) {
          slice.push_back(x.at(i / local.back(), bounds[first] + i % local.back()));
        }
        const HostMatrix local_x(dtype(), 3, local.back(), slice);
        sums.push_back(test::product(context_, local_x, pack(w.view().slice(1, bounds[first], bounds[last]), local)));
      }
      for (size_t width = 1; width < tp; width *= 2) {
        for (size_t rank = 0; rank < tp; rank += 2 * width) {
          for (size_t i = 0; i < whole.size(); ++i) sums[rank][i] += sums[rank + width][i];
        }
      }
      EXPECT_TRUE(same_bits(whole, sums[0])) << "k " << k << ", tp " << tp;
    }
  }
}

TEST_P(CudaLinearTest, NoRowsAndNoColumns) {
  HostMatrix none(dtype(), 0, 16, {}), x = HostMatrix::random(dtype(), 2, 16, 1),
                                       w = HostMatrix::random(dtype(), 20, 16, 2), empty(dtype(), 0, 16, {});
  EXPECT_TRUE(test::product(context_, none, pack(w.view(), {0, 16})).empty());
  EXPECT_TRUE(test::product(context_, x, pack(empty.view(), {0, 16})).empty());
}

TEST_P(CudaLinearTest, MoreRowsThanOnePiece) {
  HostMatrix x = HostMatrix::random(dtype(), 2060, 40, 1), w = HostMatrix::random(dtype(), 12, 40, 2);
  for (const int64_t segments : {1, 2}) {
    const LinearWeight packed = pack(w.view(), even_segments(40, segments));
    const std::vector<float> all = test::product(context_, x, packed);
    for (const int64_t row : {1023, 1024, 2048, 2059}) {
      EXPECT_TRUE(same_bits(test::product(context_, x, row, row + 1, packed), test::part(all, 12, row, row + 1, 0, 12)))
          << row;
    }
  }
}

// Behind the last row and column lie zeros, not what was uploaded before.
TEST_P(CudaLinearTest, PaddingHoldsNothing) {
  HostMatrix infinite(dtype(), 64, 64, std::vector<float>(64 * 64, INFINITY)),
      w = HostMatrix::whole_numbers(dtype(), 3, 5, 2, 4), x = HostMatrix::whole_numbers(dtype(), 1, 5, 1, 4);
  pack(infinite.view(), {0, 64});
  const std::vector<float> out = test::product(context_, x, pack(w.view(), {0, 2, 5}));
  for (int64_t n = 0; n < 3; ++n) {
    float want = 0;
    for (int64_t k = 0; k < 5; ++k) want += x.at(0, k) * w.at(n, k);
    EXPECT_EQ(out[static_cast<size_t>(n)], want);
  }
}

// Staging memory is used again while copies are on their way.
TEST_P(CudaLinearTest, UploadsInPieces) {
  setenv("LOCKSTEP_EMULATED_CUBLASLT", "plain", 1);  // saves the time of choosing
  const int64_t n = 700, k = (int64_t{5} << 19) / size_of(dtype()) / n;
  HostMatrix w = HostMatrix::whole_numbers(dtype(), n, k, 2, 2), x = HostMatrix::whole_numbers(dtype(), 1, k, 1, 2);
  const std::vector<float> out = test::product(context_, x, pack(w.view(), {0, k}));
  unsetenv("LOCKSTEP_EMULATED_CUBLASLT");
  for (int64_t i = 0; i < n; ++i) {
    float want = 0;
    for (int64_t j = 0; j < k; ++j) want += x.at(0, j) * w.at(i, j);
    ASSERT_EQ(out[static_cast<size_t>(i)], want) << i;
  }
}

TEST_P(CudaLinearTest, CanBeRecorded) {
  HostMatrix x = HostMatrix::random(dtype(), 4, 50, 1), w = HostMatrix::random(dtype(), 30, 50, 2);
  const LinearWeight packed = pack(w.view(), even_segments(50, 2));
  const std::vector<float> want = test::product(context_, x, packed);  // also grows the scratch memory
  const DeviceArray device_x(context_, dtype(), std::vector<float>(200, 0.0F)), out(context_, DType::kF32, 120);
  std::optional<Graph> graph;
  graph.emplace(Graph::capture(context_.stream(), [&] {
    linear(context_, device_x.view({4, 50}), packed, out.view({4, 30}));
  }));
  copy_async(context_.stream(), device_x.data(), x.view().data(), device_x.bytes());
  graph->launch(context_.stream());
  EXPECT_TRUE(same_bits(out.floats(), want));
}

TEST_P(CudaLinearTest, RefusesWhatDoesNotFit) {
  HostMatrix w = HostMatrix::random(dtype(), 4, 16, 2);
  const LinearWeight packed = pack(w.view(), {0, 16});
  const DeviceArray x(context_, dtype(), 32), out(context_, DType::kF32, 8);
  const TensorView on_host(nullptr, dtype(), {2, 16});
  EXPECT_THROW(linear(context_, x.view({2, 15}), packed, out.view({2, 4})), ShapeError);
  EXPECT_THROW(linear(context_, on_host, packed, out.view({2, 4})), ShapeError);
  OpContext stateless = context_;
  stateless.state = nullptr;
  EXPECT_THROW(linear(stateless, x.view({2, 16}), packed, out.view({2, 4})), Error);
}

INSTANTIATE_TEST_SUITE_P(AllTypes, CudaLinearTest, testing::Values(DType::kF32, DType::kF16, DType::kBF16),
                         [](const auto& type) { return std::string(name_of(type.param)); });

}  // namespace
}  // namespace lockstep
