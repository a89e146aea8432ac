// The AMX tile instructions as scalar code, after the pseudo-code of TDPBF16PS in the Intel SDM: sums bits as the
// hardware is documented to do, on any machine.
#pragma once

#include "core/dtype.h"

#include <cmath>
#include <cstring>

namespace lockstep::test {

struct EmulatedTiles {
  struct Tile {
    unsigned char rows[16][64];
  };

  template <int t>
  static void zero() {
    static_assert(t >= 0 && t < 8);
    std::memset(&tiles()[t], 0, sizeof(Tile));
  }
  template <int t>
  static void load(const void* address, int64_t stride) {
    for (int64_t r = 0; r < 16; ++r) {
      std::memcpy(tiles()[t].rows[r], static_cast<const char*>(address) + r * stride, 64);
    }
  }
  template <int t>
  static void store(void* address, int64_t stride) {
    for (int64_t r = 0; r < 16; ++r) std::memcpy(static_cast<char*>(address) + r * stride, tiles()[t].rows[r], 64);
  }
  /// sum[m][n] += (Σ even products) + (Σ odd products), each Σ a chain of fused multiply-adds in ascending k; all
  /// operations round to nearest even, with subnormal inputs and results replaced by zero.
  template <int sum, int a, int b>
  static void dot() {
    static_assert(sum != a && sum != b && a != b);
    for (int m = 0; m < 16; ++m) {
      for (int n = 0; n < 16; ++n) {
        float even = 0, odd = 0;
        for (int k = 0; k < 16; ++k) {
          even = flushed(std::fma(bf16(a, m, 2 * k), bf16(b, k, 2 * n), even));
          odd = flushed(std::fma(bf16(a, m, 2 * k + 1), bf16(b, k, 2 * n + 1), odd));
        }
        float value = 0;
        std::memcpy(&value, tiles()[sum].rows[m] + 4 * n, 4);
        value = flushed(flushed(value) + flushed(even + odd));
        std::memcpy(tiles()[sum].rows[m] + 4 * n, &value, 4);
      }
    }
  }
  static void store_halves(const float*, uint16_t*, int) {}

 private:
  static Tile* tiles() {
    static thread_local Tile storage[8];
    return storage;
  }
  static float flushed(float value) {
    return std::fpclassify(value) == FP_SUBNORMAL ? std::copysign(0.0F, value) : value;
  }
  static float bf16(int tile, int row, int column) {
    BFloat16 value{};
    std::memcpy(&value, tiles()[tile].rows[row] + 2 * column, 2);
    return flushed(to_float(value));
  }
};

}  // namespace lockstep::test
