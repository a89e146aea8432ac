#include "tests/kernels/linear_support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lockstep {
namespace {

using test::Matrix;
using testing::HasSubstr;

class LinearErrorsTest : public testing::Test {
 protected:
  template <class Exception, class Function>
  void expect_error(Function function, const char* text) {
    try {
      function();
      ADD_FAILURE() << "no exception; expected: " << text;
    } catch (const Exception& error) {
      EXPECT_THAT(error.what(), HasSubstr(text));
    }
  }
  LinearWeight pack(ConstTensorView w, SegmentBounds segments) {
    return pack_linear_weight(context_, std::span(&w, 1), {}, std::move(segments));
  }

  ThreadPool pool_{1};
  OpContext context_{Device::cpu(), nullptr, &pool_, CpuIsa::kScalar};
  Matrix w_{DType::kF32, 4, 16};
};

TEST_F(LinearErrorsTest, RefusesAnInstructionSetThatTheMachineLacks) {
  if (detect_cpu_isa() == CpuIsa::kAmx) GTEST_SKIP() << "this machine runs every level";
  context_.isa = CpuIsa::kAmx;
  expect_error<ConfigError>([&] { pack(w_.view(), {0, 16}); }, "'amx' was asked for, but this machine runs at most");
  expect_error<ConfigError>([&] { packed_linear_bytes(context_, 4, DType::kBF16, {0, 16}); }, "'amx' was asked for");
}

TEST_F(LinearErrorsTest, RefusesMalformedSegments) {
  expect_error<ShapeError>([&] { pack(w_.view(), {0}); }, "at least 2");
  expect_error<ShapeError>([&] { pack(w_.view(), {1, 16}); }, "start at 1");
  expect_error<ShapeError>([&] { pack(w_.view(), {0, 9, 8, 12, 16}); }, "fall from 9 to 8");
  expect_error<ShapeError>([&] { pack(w_.view(), {0, 4, 8, 16}); }, "3 segments; accepted: 1, 2, 4, 8");
  expect_error<ShapeError>([&] { pack(w_.view(), {0, 15}); }, "[4, 16], expected [*, 15]");
}

TEST_F(LinearErrorsTest, RefusesMixedPartsAndWrongBiases) {
  const Matrix other(DType::kBF16, 4, 16);
  const ConstTensorView mixed[] = {w_.view(), other.view()};
  expect_error<DTypeError>([&] { pack_linear_weight(context_, mixed, {}, {0, 16}); }, "types f32 and bf16");
  const ConstTensorView parts[] = {w_.view()};
  const float bias[5] = {};
  const ConstTensorView biases[] = {ConstTensorView(bias, DType::kF32, {5})};
  expect_error<ShapeError>([&] { pack_linear_weight(context_, parts, biases, {0, 16}); }, "bias of shape [5]");
  expect_error<ShapeError>([&] { pack_linear_weight(context_, {}, {}, {0, 16}); }, "no parts");
}

TEST_F(LinearErrorsTest, RefusesUnfittingOperands) {
  const LinearWeight weight = pack(w_.view(), {0, 16});
  const Matrix x(DType::kF32, 2, 16), narrow(DType::kF32, 2, 15), half(DType::kF16, 2, 16);
  Matrix out(DType::kF32, 2, 4), wide(DType::kF32, 2, 5), half_out(DType::kF16, 2, 4);
  expect_error<ShapeError>([&] { linear(context_, narrow.view(), weight, out.view()); }, "expected [*, 16]");
  expect_error<ShapeError>([&] { linear(context_, x.view(), weight, wide.view()); }, "expected [2, 4]");
  expect_error<DTypeError>([&] { linear(context_, half.view(), weight, out.view()); }, "x is f16, its weight f32");
  expect_error<DTypeError>([&] { linear(context_, x.view(), weight, half_out.view()); }, "out is f16");
}

TEST_F(LinearErrorsTest, CudaIsNamedWhenItIsNotThere) {
  context_.device = Device::cuda(0);
  expect_error<NotCompiled>([&] { pack(w_.view(), {0, 16}); }, "no CUDA: ");
}

}  // namespace
}  // namespace lockstep
