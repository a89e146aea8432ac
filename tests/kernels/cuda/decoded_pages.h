// What sealed pages hold, decoded from their bytes in double by the words of kernels/kv_codes.h, without its code.
#pragma once

#include "kernels/kv_layout.h"

#include <cmath>
#include <cstdint>
#include <cstring>

namespace lockstep::test {

inline double half_at(const std::byte* at, int64_t index) {
  uint16_t bits = 0;
  std::memcpy(&bits, at + 2 * index, 2);
  const int exponent = bits >> 10 & 31;
  const double fraction = bits & 1023;
  const double magnitude = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024.0 + fraction, exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

inline int byte_at(const std::byte* block, int64_t offset) { return static_cast<int>(block[offset]); }

/// Dimension `dim` of token `token` of a K block of `bits` bits.
inline double decoded_key(const KvLayout& layout, const std::byte* block, int64_t bits, int64_t token, int64_t dim) {
  const int64_t P = layout.page_tokens, D = (layout.head_dim + 7) / 8 * 8;
  const std::byte* const offsets = block + P * D * bits / 8;
  const int scale_code = byte_at(offsets, 2 * D + dim);
  const double scale = std::ldexp(8.0 + scale_code % 8, scale_code / 8 - 23);
  const int byte = byte_at(block, ((bits == 8 ? dim / 4 : dim / 8) * P + token) * 4 + dim % 4);
  const int code = bits == 8 ? byte - 128 : dim % 8 < 4 ? byte % 16 : byte / 16;
  return half_at(offsets, dim) + scale * code;
}

/// The same of a V block.
inline double decoded_value(const KvLayout& layout, const std::byte* block, int64_t bits, int64_t token, int64_t dim) {
  const int64_t P = layout.page_tokens, D = (layout.head_dim + 7) / 8 * 8;
  const std::byte* const scales = block + P * D * bits / 8;
  const int byte = byte_at(block, ((bits == 8 ? token / 4 : token / 8) * D + dim) * 4 + token % 4);
  const double scale = half_at(scales, token);
  if (bits == 8) return scale * (byte < 128 ? byte : byte - 256);
  return half_at(scales, P + token) + scale * (token % 8 < 4 ? byte % 16 : byte / 16);
}

}  // namespace lockstep::test
