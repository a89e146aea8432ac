#include "core/dtype.h"

#include "core/error.h"

#include <cmath>

namespace lockstep {

int64_t size_of(DType dtype) { return dtype == DType::kF16 || dtype == DType::kBF16 ? 2 : 4; }

std::string_view name_of(DType dtype) {
  switch (dtype) {
    case DType::kF32: return "f32";
    case DType::kF16: return "f16";
    case DType::kBF16: return "bf16";
    case DType::kI32: return "i32";
  }
  return "?";
}

DType parse_dtype(std::string_view text) {
  if (text == "f32" || text == "float32" || text == "F32") return DType::kF32;
  if (text == "f16" || text == "float16" || text == "F16") return DType::kF16;
  if (text == "bf16" || text == "bfloat16" || text == "BF16") return DType::kBF16;
  LS_THROW(ConfigError, "data type '{}' is not supported; accepted: f32, f16, bf16", text);
}

float to_float(Half value) {
  const uint32_t sign = (value.bits & 0x8000U) << 16;
  const uint32_t exponent = (value.bits >> 10) & 0x1fU;
  const uint32_t mantissa = value.bits & 0x3ffU;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000U | (mantissa << 13));
  if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  const float magnitude = std::ldexp(static_cast<float>(mantissa), -24);
  return sign ? -magnitude : magnitude;
}

Half to_half(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000U);
  const uint32_t magnitude = bits & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return {static_cast<uint16_t>(sign | 0x7e00U)};
  if (magnitude >= 0x477ff000U) return {static_cast<uint16_t>(sign | 0x7c00U)};  // rounds to 65536 or more
  if (magnitude < 0x38800000U) {                                                 // subnormal in half, or zero
    const float scaled = std::bit_cast<float>(magnitude) * 0x1p24F;
    return {static_cast<uint16_t>(sign | static_cast<uint16_t>(std::nearbyint(scaled)))};
  }
  const uint32_t rounded = magnitude + 0xfffU + ((magnitude >> 13) & 1U);
  return {static_cast<uint16_t>(sign | ((rounded - 0x38000000U) >> 13))};
}

void throw_not_floating(DType dtype) { LS_THROW(DTypeError, "type {} is not a floating-point type", name_of(dtype)); }

}  // namespace lockstep
