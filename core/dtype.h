// Element types of tensors, and the host's conversions between them.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

namespace lockstep {

enum class DType : uint8_t { kF32, kF16, kBF16, kI32 };

/// Bytes of one element.
int64_t size_of(DType dtype);
/// "f32", "f16", "bf16" or "i32".
std::string_view name_of(DType dtype);
/// Inverse of name_of, also accepting the spellings of Hugging Face ("float32", "bfloat16", …). Throws ConfigError.
DType parse_dtype(std::string_view text);

/// IEEE binary16 bits; the upper half of a binary32 for BF16. Plain storage: convert to compute.
struct Half {
  uint16_t bits;
};
struct BFloat16 {
  uint16_t bits;
};

inline float to_float(float value) { return value; }
inline float to_float(BFloat16 value) { return std::bit_cast<float>(uint32_t{value.bits} << 16); }
float to_float(Half value);

/// Round to nearest, ties to even; NaN stays NaN (quiet).
inline BFloat16 to_bfloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return {static_cast<uint16_t>((bits >> 16) | 0x40U)};
  return {static_cast<uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16)};
}
Half to_half(float value);

template <class T>
T from_float(float value);
template <>
inline float from_float<float>(float value) {
  return value;
}
template <>
inline BFloat16 from_float<BFloat16>(float value) {
  return to_bfloat16(value);
}
template <>
inline Half from_float<Half>(float value) {
  return to_half(value);
}

template <class T>
inline constexpr DType kDTypeOf = DType::kF32;
template <>
inline constexpr DType kDTypeOf<Half> = DType::kF16;
template <>
inline constexpr DType kDTypeOf<BFloat16> = DType::kBF16;
template <>
inline constexpr DType kDTypeOf<int32_t> = DType::kI32;

[[noreturn]] void throw_not_floating(DType dtype);

/// Calls `visitor.template operator()<T>()` with T = float, Half or BFloat16. Throws DTypeError for other types.
template <class Visitor>
decltype(auto) visit_floating(DType dtype, Visitor&& visitor) {
  switch (dtype) {
    case DType::kF32: return visitor.template operator()<float>();
    case DType::kF16: return visitor.template operator()<Half>();
    case DType::kBF16: return visitor.template operator()<BFloat16>();
    case DType::kI32: break;
  }
  throw_not_floating(dtype);
}

}  // namespace lockstep
