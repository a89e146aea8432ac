#include "kernels/sample.h"
#include "tests/kernels/cuda/device_support.h"

#include <limits>

namespace lockstep::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

class CudaArgmax : public testing::Test {
 protected:
  /// Of rows `stride` apart.
  std::vector<ArgmaxResult> of(const std::vector<float>& logits, int64_t num_rows, int64_t columns, int64_t stride,
                               int64_t vocab_begin = 0) {
    const DeviceArray in(context_, DType::kF32, logits), out(context_, DType::kI32, 2 * num_rows);
    argmax_rows(context_, TensorView::matrix(in.data(), DType::kF32, num_rows, columns, stride, Device::cuda(0)),
                vocab_begin, {static_cast<ArgmaxResult*>(out.data()), static_cast<size_t>(num_rows)});
    const std::vector<std::byte> bytes = out.download();
    std::vector<ArgmaxResult> results(static_cast<size_t>(num_rows));
    if (!bytes.empty()) std::memcpy(static_cast<void*>(results.data()), bytes.data(), bytes.size());
    return results;
  }
  ArgmaxResult of(const std::vector<float>& row, int64_t vocab_begin = 0) {
    const auto columns = static_cast<int64_t>(row.size());
    return of(row, 1, columns, columns, vocab_begin)[0];
  }

  CudaContext context_;
};

TEST_F(CudaArgmax, FindsTheHighestAtEveryPosition) {
  for (const int64_t n : {1, 5, 64, 131}) {
    for (int64_t at = 0; at < n; at += 3) {
      std::vector<float> row = random_floats(n, 11);
      row[static_cast<size_t>(at)] = 9.0F;
      const ArgmaxResult best = of(row, 1000);
      EXPECT_EQ(best.token.value(), 1000 + at);
      EXPECT_EQ(best.value, 9.0F);
    }
  }
}

// better_of over the row, one by one, is the definition; rows are longer than what one block takes, and not aligned.
TEST_F(CudaArgmax, IsBetterOfOverTheRow) {
  for (const int64_t columns : {4095, 4096, 4097, 9001}) {
    const int64_t stride = columns + 3;
    constexpr int64_t kRows = 4;
    std::vector<float> logits = random_floats(kRows * stride, 5);
    for (size_t i = 0; i < logits.size(); ++i) {
      logits[i] = std::round(logits[i] * 4.0F);  // ties
      if (i % 7 == 0) logits[i] = kNaN;
    }
    const std::vector<ArgmaxResult> results = of(logits, kRows, columns, stride, 50);
    for (int64_t r = 0; r < kRows; ++r) {
      ArgmaxResult best{logits[static_cast<size_t>(r * stride)], TokenId(50)};
      for (int64_t i = 1; i < columns; ++i) {
        best = better_of(best, {logits[static_cast<size_t>(r * stride + i)], TokenId(static_cast<int32_t>(50 + i))});
      }
      EXPECT_EQ(results[static_cast<size_t>(r)].token, best.token) << "columns " << columns << " row " << r;
      EXPECT_EQ(results[static_cast<size_t>(r)].value, best.value);
    }
  }
}

TEST_F(CudaArgmax, TiesGoToTheLowestToken) {
  std::vector<float> row(10000, 1.0F);
  EXPECT_EQ(of(row).token.value(), 0);
  row[77] = row[150] = row[5000] = 2.0F;
  EXPECT_EQ(of(row).token.value(), 77);
  EXPECT_EQ(of({-0.0F, 0.0F}).token.value(), 0);
}

TEST_F(CudaArgmax, NanIsLowerThanEverything) {
  EXPECT_EQ(of({kNaN, -kInfinity, kNaN}).token.value(), 1);
  std::vector<float> row(5000, kNaN);
  EXPECT_EQ(of(row).token.value(), 0);
  EXPECT_TRUE(std::isnan(of(row).value));
  row[4999] = -kInfinity;
  EXPECT_EQ(of(row).token.value(), 4999);
  row[3] = kInfinity;
  EXPECT_EQ(of(row).token.value(), 3);
}

// More rows than the state has had room for: what it holds at least doubles, and nothing is given back.
TEST_F(CudaArgmax, ScratchGrowsWithTheRows) {
  constexpr int64_t kColumns = 4100;
  const OpState& state = *static_cast<const OpContext&>(context_).state;
  int64_t held = state.bytes();
  for (const int64_t num_rows : {1, 100, 200}) {
    std::vector<float> logits = random_floats(num_rows * kColumns, 2);
    for (int64_t r = 0; r < num_rows; ++r) logits[static_cast<size_t>(r * kColumns + 13 * r)] = 9.0F;
    const std::vector<ArgmaxResult> results = of(logits, num_rows, kColumns, kColumns);
    for (int64_t r = 0; r < num_rows; ++r) EXPECT_EQ(results[static_cast<size_t>(r)].token.value(), 13 * r);
    EXPECT_GE(state.bytes(), held + 2 * 8 * num_rows) << "two pieces of a row, 8 bytes each";
    held = state.bytes();
  }
  of(random_floats(kColumns, 3), 1, kColumns, kColumns);
  EXPECT_EQ(state.bytes(), held);
}

TEST_F(CudaArgmax, NoRowsIsNoWork) { EXPECT_TRUE(of({1.0F}, 0, 1, 1).empty()); }

}  // namespace
}  // namespace lockstep::test
