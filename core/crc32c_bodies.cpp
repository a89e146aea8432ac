#include "core/crc32c_bodies.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace lockstep {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // Castagnoli, bits reversed
using Table = std::array<uint32_t, 256>;

/// tables[k][b]: the state after byte b and k zero bytes, from state 0.
constexpr std::array<Table, 8> make_slicing_tables() {
  std::array<Table, 8> tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t state = byte;
    for (int bit = 0; bit < 8; ++bit) state = (state >> 1) ^ ((state & 1U) ? kPolynomial : 0U);
    tables[0][byte] = state;
  }
  for (size_t k = 1; k < 8; ++k)
    for (size_t byte = 0; byte < 256; ++byte)
      tables[k][byte] = (tables[k - 1][byte] >> 8) ^ tables[0][tables[k - 1][byte] & 0xffU];
  return tables;
}
constexpr std::array<Table, 8> kTables = make_slicing_tables();

uint64_t load_u64(const std::byte* data) {
  uint64_t word;
  std::memcpy(&word, data, sizeof word);
  return word;
}

}  // namespace

uint32_t crc32c_portable(std::span<const std::byte> bytes, uint32_t crc) {
  uint32_t state = ~crc;
  const std::byte* data = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; left -= 8, data += 8) {
    const uint64_t word = load_u64(data) ^ state;
    state = 0;
    for (size_t k = 0; k < 8; ++k) state ^= kTables[7 - k][(word >> (8 * k)) & 0xffU];
  }
  for (; left > 0; --left, ++data)
    state = (state >> 8) ^ kTables[0][(state ^ std::to_integer<uint32_t>(*data)) & 0xffU];
  return ~state;
}

#if defined(__x86_64__)

namespace {

/// Bytes of one chain between two joins: long enough to hide the join, short enough for a 4 KiB block.
constexpr size_t kChainBytes = 1024;

/// table[k][b]: the state that byte k of a state turns into after kChainBytes zero bytes; the map is linear over XOR.
constexpr std::array<Table, 4> make_shift_tables() {
  std::array<uint32_t, 32> basis{};
  for (size_t bit = 0; bit < 32; ++bit) {
    uint32_t state = 1U << bit;
    for (size_t i = 0; i < kChainBytes; ++i) state = (state >> 8) ^ kTables[0][state & 0xffU];
    basis[bit] = state;
  }
  std::array<Table, 4> tables{};
  for (size_t k = 0; k < 4; ++k)
    for (size_t byte = 0; byte < 256; ++byte)
      for (size_t bit = 0; bit < 8; ++bit)
        if ((byte >> bit) & 1U) tables[k][byte] ^= basis[8 * k + bit];
  return tables;
}
constexpr std::array<Table, 4> kShift = make_shift_tables();

uint32_t shift(uint32_t state) {
  return kShift[0][state & 0xffU] ^ kShift[1][(state >> 8) & 0xffU] ^ kShift[2][(state >> 16) & 0xffU] ^
         kShift[3][state >> 24];
}

}  // namespace

bool has_crc32c_instructions() { return __builtin_cpu_supports("sse4.2"); }

__attribute__((target("sse4.2"))) uint32_t crc32c_hardware(std::span<const std::byte> bytes, uint32_t crc) {
  uint64_t state = ~crc;
  const std::byte* data = bytes.data();
  size_t left = bytes.size();
  for (; left >= 3 * kChainBytes; left -= 3 * kChainBytes, data += 3 * kChainBytes) {
    uint64_t second = 0;
    uint64_t third = 0;
    for (size_t i = 0; i < kChainBytes; i += 8) {
      state = _mm_crc32_u64(state, load_u64(data + i));
      second = _mm_crc32_u64(second, load_u64(data + kChainBytes + i));
      third = _mm_crc32_u64(third, load_u64(data + 2 * kChainBytes + i));
    }
    state = shift(shift(static_cast<uint32_t>(state)) ^ static_cast<uint32_t>(second)) ^ static_cast<uint32_t>(third);
  }
  for (; left >= 8; left -= 8, data += 8) state = _mm_crc32_u64(state, load_u64(data));
  uint32_t low = static_cast<uint32_t>(state);
  for (; left > 0; --left, ++data) low = _mm_crc32_u8(low, std::to_integer<uint8_t>(*data));
  return ~low;
}

#else

bool has_crc32c_instructions() { return false; }
uint32_t crc32c_hardware(std::span<const std::byte> bytes, uint32_t crc) { return crc32c_portable(bytes, crc); }

#endif

}  // namespace lockstep
