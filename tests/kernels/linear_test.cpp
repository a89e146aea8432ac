#include "kernels/linear.h"

#include "tests/kernels/linear_support.h"

#include <gtest/gtest.h>
#include <tuple>

namespace lockstep {
namespace {

using test::even_segments;
using test::Matrix;

// Products are checked over every level that this machine runs and every dtype.
class LinearTest : public testing::TestWithParam<std::tuple<CpuIsa, DType>> {
 protected:
  CpuIsa isa() const { return std::get<0>(GetParam()); }
  DType dtype() const { return std::get<1>(GetParam()); }
  OpContext context(ThreadPool& pool) const { return {Device::cpu(), nullptr, &pool, isa()}; }

  LinearWeight pack(ThreadPool& pool, const ConstTensorView& w, SegmentBounds segments) const {
    return pack_linear_weight(context(pool), std::span(&w, 1), {}, std::move(segments));
  }
  LinearWeight pack(const ConstTensorView& w, SegmentBounds segments) { return pack(pool_, w, std::move(segments)); }
  Matrix product(ThreadPool& pool, const ConstTensorView& x, const LinearWeight& w, DType out_dtype) const {
    Matrix out(out_dtype, x.size(0), w.out_features, 3);
    linear(context(pool), x, w, out.view());
    return out;
  }
  Matrix product(const ConstTensorView& x, const LinearWeight& w, DType out_dtype = DType::kF32) {
    return product(pool_, x, w, out_dtype);
  }

  ThreadPool pool_{2};
};

// Elements [row, column + n) of `all` have the bits of `part`'s row.
void expect_same_row(const Matrix& all, int64_t row, int64_t column, const Matrix& part, int64_t part_row) {
  for (int64_t n = 0; n < part.columns(); ++n) {
    ASSERT_EQ(all.at(row, column + n), part.at(part_row, n)) << "row " << row << ", column " << column + n;
  }
}

TEST_P(LinearTest, MatchesDoubleReference) {
  struct Case {
    int64_t rows, n, k, segments;
  };
  constexpr Case kCases[] = {{1, 1, 8, 1},   {3, 7, 43, 1},    {5, 172, 64, 1},  {2, 64, 172, 8}, {13, 33, 171, 4},
                             {25, 40, 6, 8}, {33, 97, 130, 2}, {70, 50, 100, 8}, {4, 20, 1, 1},   {2, 5, 0, 1}};
  for (const Case& c : kCases) {
    SCOPED_TRACE(testing::Message() << c.rows << " x " << c.n << " x " << c.k << ", segments " << c.segments);
    const Matrix x = Matrix::random(dtype(), c.rows, c.k, 1, 5), w = Matrix::random(dtype(), c.n, c.k, 2, 9);
    const LinearWeight packed = pack(w.view(), even_segments(c.k, c.segments));
    test::expect_near_reference(x, w, product(x.view(), packed), 1e-6);
    test::expect_near_reference(x, w, product(x.view(), packed, dtype()), 1e-6);
  }
}

// Whole numbers make every sum exact, so that one misplaced element shows.
TEST_P(LinearTest, ExactOnWholeNumbers) {
  const Matrix x = Matrix::whole_numbers(dtype(), 37, 301, 3, 8), w = Matrix::whole_numbers(dtype(), 75, 301, 4, 8);
  const std::vector<double> expected = test::reference_product(x, w);
  const Matrix out = product(x.view(), pack(w.view(), even_segments(301, 8)));
  for (int64_t i = 0; i < 37 * 75; ++i) ASSERT_EQ(out.at(i / 75, i % 75), expected[static_cast<size_t>(i)]) << i;
}

TEST_P(LinearTest, StackedPartsAndBias) {
  const Matrix a = Matrix::whole_numbers(dtype(), 10, 24, 1, 4), b = Matrix::whole_numbers(dtype(), 3, 24, 2, 4),
               c = Matrix::whole_numbers(dtype(), 30, 24, 3, 4), x = Matrix::whole_numbers(dtype(), 2, 24, 4, 4),
               bias = Matrix::whole_numbers(DType::kBF16, 1, 43, 5, 100);
  const ConstTensorView parts[] = {a.view(), b.view(), c.view()};
  std::vector<ConstTensorView> biases;
  for (int64_t begin = 0; const ConstTensorView& part : parts) {
    const auto* data = bias.view().as<BFloat16>() + begin;
    biases.emplace_back(data, DType::kBF16, Shape{part.size(0)});
    begin += part.size(0);
  }
  const LinearWeight packed = pack_linear_weight(context(pool_), parts, biases, {0, 24});
  ASSERT_EQ(packed.out_features, 43);
  EXPECT_EQ(packed.packed.bytes(), packed_linear_bytes(context(pool_), 43, dtype(), {0, 24}));
  const Matrix out = product(x.view(), packed);
  for (int64_t n = 0; n < 43; ++n) {
    const Matrix& w = n < 10 ? a : n < 13 ? b : c;
    const int64_t row = n < 10 ? n : n < 13 ? n - 10 : n - 13;
    double expected = bias.at(0, n);
    for (int64_t k = 0; k < 24; ++k) expected += x.at(1, k) * w.at(row, k);
    ASSERT_EQ(out.at(1, n), expected) << n;
  }
}

TEST_P(LinearTest, RowsDoNotDependOnTheBatch) {
  const Matrix x = Matrix::random(dtype(), 70, 173, 1), w = Matrix::random(dtype(), 83, 173, 2);
  const LinearWeight packed = pack(w.view(), even_segments(173, 4));
  const Matrix all = product(x.view(), packed);
  for (const int64_t count : {1, 2, 3, 5, 6, 7, 11, 12, 13, 16, 17, 31, 33, 64}) {
    const int64_t first = 70 - count - count % 3;
    const Matrix some = product(x.view().slice(0, first, first + count), packed);
    for (int64_t r = 0; r < count; ++r) expect_same_row(all, first + r, 0, some, r);
  }
}

TEST_P(LinearTest, ColumnsDoNotDependOnTheShard) {
  const Matrix x = Matrix::random(dtype(), 9, 100, 1), w = Matrix::random(dtype(), 90, 100, 2);
  const Matrix all = product(x.view(), pack(w.view(), {0, 100}));
  for (const auto& [begin, end] : {std::pair<int64_t, int64_t>{0, 45}, {45, 90}, {7, 8}, {33, 81}}) {
    const Matrix shard = product(x.view(), pack(w.view().slice(0, begin, end), {0, 100}));
    for (int64_t r = 0; r < 9; ++r) expect_same_row(all, r, begin, shard, r);
  }
}

TEST_P(LinearTest, ResultsDoNotDependOnTheThreads) {
  for (const int64_t rows : {1, 40}) {
    const Matrix x = Matrix::random(dtype(), rows, 500, 1), w = Matrix::random(dtype(), 173, 500, 2);
    ThreadPool one(1);
    const Matrix expected = product(one, x.view(), pack(one, w.view(), even_segments(500, 8)), DType::kF32);
    for (const int threads : {2, 3}) {
      ThreadPool pool(threads);
      EXPECT_EQ(expected, product(pool, x.view(), pack(pool, w.view(), even_segments(500, 8)), DType::kF32));
    }
  }
}

// Ranks of tensor parallelism tp hold 8 / tp segments each; adding their results pairwise gives the bits of one rank.
TEST_P(LinearTest, SegmentsMakeInputShardsAddUp) {
  for (const int64_t k : {344, 172, 43, 8, 5, 1024}) {
    const Matrix x = Matrix::random(dtype(), 3, k, 1), w = Matrix::random(dtype(), 21, k, 2);
    const SegmentBounds bounds = even_segments(k, 8);
    const Matrix whole = product(x.view(), pack(w.view(), bounds));
    for (const size_t tp : {2U, 4U, 8U}) {
      SCOPED_TRACE(testing::Message() << "k " << k << ", tp " << tp);
      std::vector<Matrix> sums;
      for (size_t rank = 0; rank < tp; ++rank) {
        const size_t first = rank * 8 / tp, last = (rank + 1) * 8 / tp;
        SegmentBounds local;
        for (size_t s = first; s <= last; ++s) local.push_back(bounds[s] - bounds[first]);
        const auto part = w.view().slice(1, bounds[first], bounds[last]);
        sums.push_back(product(x.view().slice(1, bounds[first], bounds[last]), pack(part, local)));
      }
      for (size_t width = 1; width < tp; width *= 2) {
        for (size_t rank = 0; rank < tp; rank += 2 * width) {
          for (int64_t i = 0; i < 3 * 21; ++i) {
            const int64_t r = i / 21, n = i % 21;
            sums[rank].set(r, n,
                           static_cast<float>(sums[rank].at(r, n)) + static_cast<float>(sums[rank + width].at(r, n)));
          }
        }
      }
      EXPECT_EQ(whole, sums[0]);
    }
  }
}

TEST_P(LinearTest, NoRows) {
  const Matrix x(dtype(), 0, 16), w = Matrix::random(dtype(), 20, 16, 2);
  EXPECT_NO_THROW(product(x.view(), pack(w.view(), {0, 16})));
}

TEST_P(LinearTest, MoreRowsThanFitIntoTheScratch) {
  const int64_t rows = dtype() == DType::kBF16 ? 2100 : 1100, k = 4096;
  const Matrix x = Matrix::random(dtype(), rows, k, 1), w = Matrix::random(dtype(), 2, k, 2);
  const LinearWeight packed = pack(w.view(), {0, k});
  const Matrix all = product(x.view(), packed), last = product(x.view().slice(0, rows - 1, rows), packed);
  expect_same_row(all, rows - 1, 0, last, 0);
}

std::string case_name(const testing::TestParamInfo<std::tuple<CpuIsa, DType>>& info) {
  return fmt::format("{}_{}", name_of(std::get<0>(info.param)), name_of(std::get<1>(info.param)));
}

INSTANTIATE_TEST_SUITE_P(AllLevels, LinearTest,
                         testing::Combine(testing::ValuesIn(test::available_isas()),
                                          testing::Values(DType::kF32, DType::kF16, DType::kBF16)),
                         case_name);

}  // namespace
}  // namespace lockstep
