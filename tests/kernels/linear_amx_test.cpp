// The AMX kernel's logic on emulated tile instructions; on a machine with AMX also the instructions against the
// emulation, bit for bit.
#include "kernels/cpu/linear/amx_tiles.h"
#include "tests/kernels/emulated_tiles.h"
#include "tests/kernels/linear_support.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

using test::even_segments;
using test::Matrix;

const cpu::TileKernels kEmulated = {cpu::RowFormat::kTiles, cpu::kAmxBf16.step, cpu::kAmxBf16.max_rows,
                                    cpu::tile_product_panels<test::EmulatedTiles>,
                                    cpu::run_tile_product<test::EmulatedTiles>};

Matrix product(const cpu::TileKernels& kernels, ThreadPool& pool, const ConstTensorView& x, const ConstTensorView& w,
               const SegmentBounds& segments, DType out_dtype = DType::kF32) {
  const LinearWeight packed = cpu::pack_with(kernels, pool, std::span(&w, 1), {}, segments);
  Matrix out(out_dtype, x.size(0), w.size(0));
  cpu::linear_with(kernels, pool, x, packed, out.view());
  return out;
}

struct Case {
  int64_t rows, n, k, segments;
};
// Every shape of a tile block (1 or 2 row tiles, 1, 2 or 4 panels), ragged edges, segments shorter than a step.
constexpr Case kCases[] = {{1, 64, 64, 1},   {3, 7, 43, 1},   {16, 100, 96, 2}, {17, 48, 172, 8},
                           {33, 33, 100, 4}, {40, 70, 65, 8}, {2, 20, 5, 8},    {50, 20, 640, 1}};

TEST(LinearAmxTest, EmulatedMatchesDoubleReference) {
  ThreadPool pool(2);
  for (const Case& c : kCases) {
    SCOPED_TRACE(testing::Message() << c.rows << " x " << c.n << " x " << c.k << ", segments " << c.segments);
    const Matrix x = Matrix::random(DType::kBF16, c.rows, c.k, 1, 3), w = Matrix::random(DType::kBF16, c.n, c.k, 2, 5);
    const SegmentBounds segments = even_segments(c.k, c.segments);
    test::expect_near_reference(x, w, product(kEmulated, pool, x.view(), w.view(), segments), 1e-6);
    test::expect_near_reference(x, w, product(kEmulated, pool, x.view(), w.view(), segments, DType::kBF16), 1e-6);
  }
}

TEST(LinearAmxTest, EmulatedRowsAndColumnsStandAlone) {
  ThreadPool pool(2);
  const Matrix x = Matrix::random(DType::kBF16, 45, 150, 1), w = Matrix::random(DType::kBF16, 90, 150, 2);
  const SegmentBounds segments = even_segments(150, 4);
  const Matrix all = product(kEmulated, pool, x.view(), w.view(), segments);
  for (const auto& [row, rows, column, columns] :
       {std::array<int64_t, 4>{0, 1, 0, 90}, {44, 1, 17, 40}, {3, 20, 50, 33}, {20, 25, 89, 1}}) {
    const Matrix part = product(kEmulated, pool, x.view().slice(0, row, row + rows),
                                w.view().slice(0, column, column + columns), segments);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t n = 0; n < columns; ++n) ASSERT_EQ(all.at(row + r, column + n), part.at(r, n));
    }
  }
}

TEST(LinearAmxTest, EmulatedSegmentsAddUpPairwise) {
  ThreadPool pool(1);
  for (const int64_t k : {172, 520, 7}) {
    const Matrix x = Matrix::random(DType::kBF16, 5, k, 1), w = Matrix::random(DType::kBF16, 19, k, 2);
    const SegmentBounds bounds = even_segments(k, 8);
    std::vector<Matrix> sums;
    for (size_t s = 0; s < 8; ++s) {
      sums.push_back(product(kEmulated, pool, x.view().slice(1, bounds[s], bounds[s + 1]),
                             w.view().slice(1, bounds[s], bounds[s + 1]), {0, bounds[s + 1] - bounds[s]}));
    }
    for (size_t width = 1; width < 8; width *= 2) {
      for (size_t s = 0; s < 8; s += 2 * width) {
        for (int64_t i = 0; i < 5 * 19; ++i) {
          sums[s].set(
              i / 19, i % 19,
              static_cast<float>(sums[s].at(i / 19, i % 19)) + static_cast<float>(sums[s + width].at(i / 19, i % 19)));
        }
      }
    }
    EXPECT_EQ(sums[0], product(kEmulated, pool, x.view(), w.view(), bounds)) << "k " << k;
  }
}

TEST(LinearAmxTest, InstructionsMatchTheEmulation) {
  if (detect_cpu_isa() < CpuIsa::kAmx) GTEST_SKIP() << "this machine has no AMX";
  ThreadPool pool(2);
  for (const Case& c : kCases) {
    const Matrix x = Matrix::random(DType::kBF16, c.rows, c.k, 1), w = Matrix::random(DType::kBF16, c.n, c.k, 2);
    const SegmentBounds segments = even_segments(c.k, c.segments);
    EXPECT_EQ(product(cpu::kAmxBf16, pool, x.view(), w.view(), segments),
              product(kEmulated, pool, x.view(), w.view(), segments));
  }
}

}  // namespace
}  // namespace lockstep
