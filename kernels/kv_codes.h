// Sealed keys and values of few bits: what the bytes of a block mean. Shared by the bodies of every backend.
//
// P = page_tokens, D = head_dim rounded up to 8 (KvLayout::coded_head_dim(); dimensions beyond head_dim mean nothing).
//
// Keys, per channel (dimension) over the page: k = offset + scale * (code - bias), bias 128 of 8 bits and 0 of 4.
//   codes    8 bits: uint8 [D / 4][P][4 dimensions]; 4 bits: [D / 8][P][4 bytes], byte b: dimension b of the eight in
//            the low nibble, dimension 4 + b in the high one
//   offsets  F16 [D]; 8 bits: the channel's mean; 4 bits: what code 0 stands for
//   scales   uint8 [D], see scale_of_code(); > 0
//   means    4 bits only: uint8 [D], mean = offset + scale * means / 16
//   stds     uint8 [D], standard deviation over the page = scale * stds / 2 (8 bits), scale * stds / 32 (4 bits)
// Values, per token over its dimensions: v = low + scale * code, low only with 4 bits.
//   codes    8 bits: int8 [P / 4][D][4 tokens], within ±127; 4 bits: [P / 8][D][4 bytes], byte b: token b of the eight
//            in the low nibble, token 4 + b in the high one
//   scales   F16 [P]; ≥ 0
//   lows     4 bits only: F16 [P]
// A word of four codes is what one lane of a dot product of bytes takes, on CPUs and on tensor cores.
//
// Summary of kFull pages: means F16 [D], stds F16 [D].
#pragma once

#include "core/host_device.h"
#include "kernels/kv_layout.h"

#include <bit>
#include <cstdint>

namespace lockstep {

/// Byte offsets inside a K block of codes.
struct KeyCodes {
  int64_t offsets, scales, means, stds;  // means: equal to stds of 8 bits, which have none

  KeyCodes(const KvLayout& layout, int64_t bits) {
    const int64_t dims = layout.coded_head_dim();
    offsets = layout.page_tokens * dims * bits / 8;
    scales = offsets + 2 * dims;
    means = scales + dims;
    stds = means + (bits == 4 ? dims : 0);
  }
};

/// Byte offsets inside a V block of codes.
struct ValueCodes {
  int64_t scales, lows;  // lows: 4 bits only

  ValueCodes(const KvLayout& layout, int64_t bits) {
    scales = layout.page_tokens * layout.coded_head_dim() * bits / 8;
    lows = scales + 2 * layout.page_tokens;
  }
};

/// Scales of keys: a float of three bits of mantissa, 2^-20 to 1.875 * 2^11.
LS_HOST_DEVICE inline float scale_of_code(uint8_t code) {
  constexpr uint32_t kFirstExponent = 107;
  return std::bit_cast<float>((uint32_t{code} + (kFirstExponent << 3)) << 20);
}

/// The least code whose scale is not below `scale`; the greatest, 255, if none is.
inline uint8_t scale_code_for(float scale) {
  constexpr uint32_t kFirst = uint32_t{107} << 3;
  if (!(scale > scale_of_code(0))) return 0;
  if (scale >= scale_of_code(255)) return 255;
  return static_cast<uint8_t>(((std::bit_cast<uint32_t>(scale) + 0xfffffU) >> 20) - kFirst);
}

/// The code whose scale is nearest to `scale` ≥ 0, of two the greater; the greatest, 255, for NaN.
LS_HOST_DEVICE inline uint8_t nearest_scale_code(float scale) {
  constexpr uint32_t kFirst = uint32_t{107} << 3;
  if (!(scale < scale_of_code(255))) return 255;
  if (!(scale > scale_of_code(0))) return 0;
  return static_cast<uint8_t>(((std::bit_cast<uint32_t>(scale) + 0x80000U) >> 20) - kFirst);
}

}  // namespace lockstep
