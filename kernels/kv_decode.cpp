#include "kernels/kv_decode.h"

#include "core/error.h"
#include "kernels/kv_codes.h"

#include <cstring>

namespace lockstep {
namespace {

double half_at(const std::byte* block, int64_t offset) {
  Half half;
  std::memcpy(&half, block + offset, sizeof(half));
  return to_float(half);
}

/// The byte of a word of four codes, or the half of one that holds eight.
int code_of_eight(const std::byte* word, int64_t index) {
  const int byte = std::to_integer<int>(word[index % 4]);
  return index < 4 ? byte & 15 : byte >> 4;
}

struct Channel {
  double offset, scale;
};
Channel channel_of(const KeyCodes& at, const std::byte* block, int64_t dim) {
  return {half_at(block, at.offsets + 2 * dim), scale_of_code(std::to_integer<uint8_t>(block[at.scales + dim]))};
}

void check_bits(int64_t bits) { LS_CHECK(bits == 4 || bits == 8, "codes of {} bits", bits); }

}  // namespace

double decode_key(const KvLayout& layout, int64_t bits, const std::byte* block, int64_t token, int64_t dim) {
  check_bits(bits);
  const auto [offset, scale] = channel_of(KeyCodes(layout, bits), block, dim);
  if (bits == 8) {
    return offset + scale * (std::to_integer<int>(block[(dim / 4 * layout.page_tokens + token) * 4 + dim % 4]) - 128);
  }
  return offset + scale * code_of_eight(block + (dim / 8 * layout.page_tokens + token) * 4, dim % 8);
}

double decode_value(const KvLayout& layout, int64_t bits, const std::byte* block, int64_t token, int64_t dim) {
  check_bits(bits);
  const ValueCodes at(layout, bits);
  const double scale = half_at(block, at.scales + 2 * token);
  const int64_t dims = layout.coded_head_dim();
  if (bits == 8) {
    return scale * static_cast<int8_t>(std::to_integer<uint8_t>(block[(token / 4 * dims + dim) * 4 + token % 4]));
  }
  return half_at(block, at.lows + 2 * token) + scale * code_of_eight(block + (token / 8 * dims + dim) * 4, token % 8);
}

KeySummary decode_key_summary(const KvLayout& layout, int64_t bits, const std::byte* block, int64_t dim) {
  check_bits(bits);
  const KeyCodes at(layout, bits);
  const auto [offset, scale] = channel_of(at, block, dim);
  const double deviation = scale * std::to_integer<int>(block[at.stds + dim]);
  if (bits == 8) return {offset, deviation / 2};
  return {offset + scale * std::to_integer<int>(block[at.means + dim]) / 16, deviation / 32};
}

}  // namespace lockstep
