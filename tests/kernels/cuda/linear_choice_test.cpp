// Which algorithms `linear` takes from a library whose proposals depend on rows and width, cut sums and keep silent
// about it: on the emulation, where the test says what is proposed (tests/support/cuda_emulation/include/cublasLt.h).
#include "core/cuda_api.h"
#include "tests/kernels/cuda/linear_support.h"

#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lockstep {
namespace {

using test::CudaContext;
using test::even_segments;
using test::HostMatrix;
using test::same_bits;

constexpr const char* kVariable = "LOCKSTEP_EMULATED_CUBLASLT";

class LinearChoiceTest : public testing::Test {
 protected:
  void SetUp() override {
    if (cuda_core().device_info(Device::cuda(0)).name.find("emulated") == std::string::npos) {
      GTEST_SKIP() << "a real library proposes what it likes";
    }
  }
  void TearDown() override { unsetenv(kVariable); }

  /// The product of 40 rows, by a device that was offered these algorithms.
  static std::vector<float> product(const char* offered, int64_t n, int64_t k, DType out_dtype = DType::kF32) {
    setenv(kVariable, offered, 1);
    CudaContext context;
    return test::product(context, x(k), test::pack(context, w(n, k).view(), {0, k}), out_dtype);
  }
  static void expect_rows_alone(const char* offered, int64_t n, int64_t k, int64_t segments) {
    setenv(kVariable, offered, 1);
    CudaContext context;
    const LinearWeight weight = test::pack(context, w(n, k).view(), even_segments(k, segments));
    const std::vector<float> all = test::product(context, x(k), weight);
    for (const int64_t rows : {1, 5, 16, 33}) {
      EXPECT_TRUE(
          same_bits(test::product(context, x(k), 40 - rows, 40, weight), test::part(all, n, 40 - rows, 40, 0, n)))
          << offered << ", " << rows << " rows";
    }
  }
  static void expect_refused(const char* offered, const char* why) {
    setenv(kVariable, offered, 1);
    CudaContext context;
    EXPECT_THAT(
        [&] {
          test::pack(context, w(96, 64).view(), {0, 64});
        },
        testing::ThrowsMessage<Error>(testing::HasSubstr(why)))
        << offered;
  }

  static HostMatrix x(int64_t k) { return HostMatrix::random(DType::kBF16, 40, k, 1); }
  static HostMatrix w(int64_t n, int64_t k) { return HostMatrix::random(DType::kBF16, n, k, 2); }
};

TEST_F(LinearChoiceTest, TheOrdersDiffer) {
  const std::vector<float> plain = product("plain", 96, 176);
  EXPECT_FALSE(same_bits(plain, product("interleaved", 96, 176)));
  EXPECT_TRUE(same_bits(plain, product("plain_twin", 96, 176)));
}

TEST_F(LinearChoiceTest, TheFirstGoodProposalDecidesWhateverElseIsOffered) {
  const std::vector<float> plain = product("plain", 96, 176), interleaved = product("interleaved", 96, 176);
  EXPECT_TRUE(same_bits(plain, product("plain,interleaved", 96, 176)));
  EXPECT_TRUE(same_bits(plain, product("split,split_secretly,ragged,plain_twin,interleaved,plain", 96, 176)));
  EXPECT_TRUE(same_bits(interleaved, product("ragged,interleaved,plain,plain_twin", 96, 176)));
  const std::vector<float> rounded = product("plain", 96, 176, DType::kBF16);
  EXPECT_TRUE(same_bits(rounded, product("ragged,plain,interleaved", 96, 176, DType::kBF16)));
}

// Large enough that times are taken: the slower of two equals is offered first, and one with other bits.
TEST_F(LinearChoiceTest, TimesDoNotReachTheBits) {
  const std::vector<float> plain = product("plain", 512, 264);
  EXPECT_TRUE(same_bits(plain, product("plain_twin,ragged,interleaved,plain", 512, 264)));
}

TEST_F(LinearChoiceTest, RowsAloneAgreeAmidTraps) {
  expect_rows_alone("split,split_secretly,ragged,plain", 96, 176, 1);
  expect_rows_alone("split_secretly,ragged,interleaved", 40, 300, 4);
}

// Narrow and wide products disagree, so one algorithm takes all rows of the wide one.
TEST_F(LinearChoiceTest, AnAlgorithmOfItsOwnWhereNoneIsCommon) { expect_rows_alone("ragged,by_width", 304, 176, 1); }

TEST_F(LinearChoiceTest, RefusesWhenNothingIsGoodEnough) {
  expect_refused("ragged", "none of 1 cuBLASLt algorithms gives a row the same bits");
  expect_refused("split_secretly,ragged", "none of 2");
  expect_refused("split", "none of 0");
  expect_refused("ragged", "96 x 64 bf16 -> f32");
}

}  // namespace
}  // namespace lockstep
