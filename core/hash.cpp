#include "core/hash.h"

#include "core/crc32c_bodies.h"

#include <bit>
#include <fmt/format.h>
#include <xxhash.h>

namespace lockstep {

static_assert(std::endian::native == std::endian::little, "hashes of words are defined over little-endian bytes");

std::string Hash128::to_string() const { return fmt::format("{:016x}{:016x}", high, low); }

Hash128 hash128(std::span<const std::byte> bytes, Hash128 parent) {
  // Always two levels, also for the empty parent: then no text equals a (parent, digest) pair of another chain.
  const XXH128_hash_t inner = XXH3_128bits(bytes.data(), bytes.size());
  const std::array<uint64_t, 4> link{parent.low, parent.high, inner.low64, inner.high64};
  const XXH128_hash_t outer = XXH3_128bits(link.data(), sizeof link);
  return {outer.low64, outer.high64};
}

Hash128 hash128(std::string_view text, Hash128 parent) {
  return hash128(std::as_bytes(std::span(text.data(), text.size())), parent);
}

uint32_t crc32c(std::span<const std::byte> bytes, uint32_t crc) {
  static const Crc32cFunction body = has_crc32c_instructions() ? crc32c_hardware : crc32c_portable;
  return body(bytes, crc);
}

}  // namespace lockstep
