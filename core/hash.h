// 128-bit hashes (XXH3) and CRC32C, through libxxhash and hardware instructions.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace lockstep {

struct Hash128 {
  uint64_t low = 0, high = 0;
  auto operator<=>(const Hash128&) const = default;
  /// 32 hexadecimal digits.
  std::string to_string() const;
};

/// XXH3-128 of `bytes`, chained: the result depends on `parent` too. Not cryptographic.
Hash128 hash128(std::span<const std::byte> bytes, Hash128 parent = {});
Hash128 hash128(std::string_view text, Hash128 parent = {});
/// CRC32C (Castagnoli) of `bytes`, continuing from `crc`.
uint32_t crc32c(std::span<const std::byte> bytes, uint32_t crc = 0);

}  // namespace lockstep

template <>
struct std::hash<lockstep::Hash128> {
  std::size_t operator()(const lockstep::Hash128& h) const noexcept { return static_cast<std::size_t>(h.low); }
};
