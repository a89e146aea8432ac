#include "kernels/sample.h"
#include "tests/kernels/op_support.h"

#include <limits>

namespace lockstep::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

class Argmax : public testing::TestWithParam<CpuIsa> {
 protected:
  ArgmaxResult of(std::vector<float> row, int64_t vocab_begin = 0) {
    std::vector<ArgmaxResult> out(1);
    argmax_rows(CpuContext(GetParam()), TensorView(row.data(), DType::kF32, {1, static_cast<int64_t>(row.size())}),
                vocab_begin, out);
    return out[0];
  }
};

TEST_P(Argmax, FindsTheHighestAtEveryPosition) {
  for (const int64_t n : {1, 5, 16, 64, 65, 131}) {
    for (int64_t at = 0; at < n; ++at) {
      std::vector<float> row = random_floats(n, 11);
      row[static_cast<size_t>(at)] = 9.0F;
      const ArgmaxResult best = of(row, 1000);
      EXPECT_EQ(best.token.value(), 1000 + at);
      EXPECT_EQ(best.value, 9.0F);
    }
  }
}

TEST_P(Argmax, TiesGoToTheLowestToken) {
  std::vector<float> row(200, 1.0F);
  EXPECT_EQ(of(row).token.value(), 0);
  row[77] = row[150] = 2.0F;
  EXPECT_EQ(of(row).token.value(), 77);
  EXPECT_EQ(of({-0.0F, 0.0F}).token.value(), 0);
}

TEST_P(Argmax, NanIsLowerThanEverything) {
  EXPECT_EQ(of({kNaN, -kInfinity, kNaN}).token.value(), 1);
  std::vector<float> row(100, kNaN);
  EXPECT_EQ(of(row).token.value(), 0);
  EXPECT_TRUE(std::isnan(of(row).value));
  row[99] = -5.0F;
  EXPECT_EQ(of(row).token.value(), 99);
  row[3] = kInfinity;
  EXPECT_EQ(of(row).token.value(), 3);
}

INSTANTIATE_TEST_SUITE_P(Levels, Argmax, testing::ValuesIn(isa_levels()),
                         [](const auto& p) { return std::string(name_of(p.param)); });

TEST(BetterOf, IsCommutativeAndOrdersNanLast) {
  const std::vector<ArgmaxResult> all = {{1.0F, TokenId(4)}, {1.0F, TokenId(3)},       {2.0F, TokenId(9)},
                                         {kNaN, TokenId(0)}, {-kInfinity, TokenId(5)}, {kNaN, TokenId(1)}};
  for (const ArgmaxResult& a : all) {
    for (const ArgmaxResult& b : all) EXPECT_EQ(better_of(a, b).token, better_of(b, a).token);
  }
  EXPECT_EQ(better_of(all[0], all[1]).token, TokenId(3));
  EXPECT_EQ(better_of(all[0], all[2]).token, TokenId(9));
  EXPECT_EQ(better_of(all[3], all[4]).token, TokenId(5));
  EXPECT_EQ(better_of(all[3], all[5]).token, TokenId(0));
}

}  // namespace
}  // namespace lockstep::test
