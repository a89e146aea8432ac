#include "core/dtype.h"

#include "core/error.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

namespace lockstep {
namespace {

TEST(Half, EveryBitPatternSurvivesARoundTrip) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const Half half{static_cast<uint16_t>(bits)};
    const float value = to_float(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(to_float(to_half(value))));
    } else {
      EXPECT_EQ(to_half(value).bits, half.bits) << value;
    }
  }
}

TEST(Half, RoundsToNearestEvenAndOverflowsToInfinity) {
  EXPECT_EQ(to_half(1.0F + 0x1p-11F).bits, 0x3c00);      // tie: down to even
  EXPECT_EQ(to_half(1.0F + 3 * 0x1p-11F).bits, 0x3c02);  // tie: up to even
  EXPECT_EQ(to_half(1.0F + 0x1.001p-11F).bits, 0x3c01);  // above the tie
  EXPECT_EQ(to_half(65504.0F).bits, 0x7bff);
  EXPECT_EQ(to_half(65519.9F).bits, 0x7bff);
  EXPECT_EQ(to_half(65520.0F).bits, 0x7c00);
  EXPECT_EQ(to_half(-1e30F).bits, 0xfc00);
  EXPECT_EQ(to_half(0x1p-25F).bits, 0x0000);  // tie to zero
  EXPECT_EQ(to_half(0x1.8p-25F).bits, 0x0001);
  EXPECT_EQ(to_half(-0.0F).bits, 0x8000);
}

TEST(BFloat16, EveryBitPatternSurvivesARoundTrip) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const BFloat16 narrow{static_cast<uint16_t>(bits)};
    const float value = to_float(narrow);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(to_float(to_bfloat16(value))));
    } else {
      EXPECT_EQ(to_bfloat16(value).bits, narrow.bits);
    }
  }
}

TEST(BFloat16, RoundsToNearestEven) {
  EXPECT_EQ(to_bfloat16(1.0F + 0x1p-8F).bits, 0x3f80);
  EXPECT_EQ(to_bfloat16(1.0F + 3 * 0x1p-8F).bits, 0x3f82);
  EXPECT_EQ(to_bfloat16(std::numeric_limits<float>::max()).bits, 0x7f80);
}

TEST(DType, NamesParseBack) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) EXPECT_EQ(parse_dtype(name_of(dtype)), dtype);
  EXPECT_EQ(parse_dtype("bfloat16"), DType::kBF16);
  EXPECT_THROW(parse_dtype("int4"), ConfigError);
}

TEST(DType, VisitorRefusesIntegers) {
  EXPECT_EQ(visit_floating(DType::kF16, []<class T>() { return sizeof(T); }), 2U);
  EXPECT_THROW(visit_floating(DType::kI32, []<class T>() { return sizeof(T); }), DTypeError);
}

}  // namespace
}  // namespace lockstep
