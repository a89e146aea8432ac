#include "kernels/fill_tokens.h"

#include "tests/kernels/op_support.h"

namespace lockstep::test {
namespace {

TensorView vector_of(std::vector<int32_t>& values) {
  return {values.data(), DType::kI32, {static_cast<int64_t>(values.size())}};
}

TEST(FillTokens, TakesOwnOrSampledTokens) {
  const CpuContext context;
  std::vector<int32_t> ids = {10, 11, 12, 13}, sources = {-1, 2, 0, -1}, sampled = {70, 71, 72}, out(4);
  fill_tokens(context, vector_of(ids), vector_of(sources), vector_of(sampled), vector_of(out));
  EXPECT_EQ(out, (std::vector<int32_t>{10, 72, 70, 13}));
  fill_tokens(context, vector_of(ids), vector_of(sources), vector_of(sampled), vector_of(ids));
  EXPECT_EQ(ids, out) << "out may alias ids";
}

TEST(FillTokens, RefusesOtherShapesTypesAndSources) {
  const CpuContext context;
  std::vector<int32_t> ids = {1, 2}, sources = {-1, 1}, sampled = {5}, out(2), longer(3);
  const auto fill = [&](TensorView from, TensorView to) {
    fill_tokens(context, vector_of(ids), from, vector_of(sampled), to);
  };
  EXPECT_THROW(fill(vector_of(sources), vector_of(out)), ShapeError) << "there is one sampled token";
  EXPECT_THROW(fill(vector_of(longer), vector_of(out)), ShapeError);
  EXPECT_THROW(fill(vector_of(ids), TensorView(out.data(), DType::kF32, {2})), DTypeError);
}

}  // namespace
}  // namespace lockstep::test
