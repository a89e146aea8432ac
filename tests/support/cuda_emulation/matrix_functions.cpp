#include "tests/support/cuda_emulation/matrix_functions.h"

#include "core/dtype.h"
#include "tests/support/cuda_emulation/simt.h"

#include <cstring>

namespace lockstep::emulation {
namespace {

constexpr uint32_t kAllLanes = ~uint32_t{0};
constexpr size_t kM = 16, kN = 8, kK = 16;

struct Fragments {
  float* d;
  const uint32_t* a;
  const uint32_t* b;
};

template <class T>
void multiply_warp(uint64_t* values) {
  float a[kM][kK], b[kK][kN], d[kM][kN];
  const auto unpack = [](uint32_t pair, float& low, float& high) {
    low = to_float(T{static_cast<uint16_t>(pair & 0xffffU)});
    high = to_float(T{static_cast<uint16_t>(pair >> 16)});
  };
  const auto fragments_of = [&](size_t lane) { return *reinterpret_cast<const Fragments*>(values[lane]); };
  for (size_t lane = 0; lane < 32; ++lane) {
    const Fragments own = fragments_of(lane);
    const size_t g = lane / 4, t = lane % 4;
    for (size_t i = 0; i < 4; ++i) {
      float* pair = &a[g + i % 2 * 8][2 * t + i / 2 * 8];
      unpack(own.a[i], pair[0], pair[1]);
      d[g + i / 2 * 8][2 * t + i % 2] = own.d[i];
    }
    for (size_t i = 0; i < 2; ++i) unpack(own.b[i], b[2 * t + i * 8][g], b[2 * t + i * 8 + 1][g]);
  }
  for (size_t m = 0; m < kM; ++m) {
    for (size_t k = 0; k < kK; ++k) {
      const float factor = a[m][k];
      for (size_t n = 0; n < kN; ++n) d[m][n] += factor * b[k][n];
    }
  }
  for (size_t lane = 0; lane < 32; ++lane) {
    float* own = fragments_of(lane).d;
    const size_t g = lane / 4, t = lane % 4;
    for (size_t i = 0; i < 4; ++i) own[i] = d[g + i / 2 * 8][2 * t + i % 2];
  }
}

template <class T>
void multiply(float* d, const uint32_t* a, const uint32_t* b, const char* operation) {
  const Fragments own = {d, a, b};
  meet_warp(kAllLanes, operation, reinterpret_cast<uintptr_t>(&own), &multiply_warp<T>);
}

struct MatrixLoad {
  uint32_t* m;
  const void* row;
};

template <bool is_transposed>
void load_warp(uint64_t* values) {
  uint16_t elements[4][8][8];
  for (size_t lane = 0; lane < 32; ++lane) {
    const void* row = reinterpret_cast<const MatrixLoad*>(values[lane])->row;
    if (reinterpret_cast<uintptr_t>(row) % 16 != 0) fail_kernel("the row of an ldmatrix is misaligned");
    std::memcpy(elements[lane / 8][lane % 8], row, 16);
  }
  for (size_t lane = 0; lane < 32; ++lane) {
    uint32_t* m = reinterpret_cast<const MatrixLoad*>(values[lane])->m;
    const size_t g = lane / 4, t = lane % 4;
    for (size_t i = 0; i < 4; ++i) {
      const uint32_t low = is_transposed ? elements[i][2 * t][g] : elements[i][g][2 * t];
      const uint32_t high = is_transposed ? elements[i][2 * t + 1][g] : elements[i][g][2 * t + 1];
      m[i] = high << 16 | low;
    }
  }
}

}  // namespace

void multiply_bf16(float* d, const uint32_t* a, const uint32_t* b) { multiply<BFloat16>(d, a, b, "mma bf16"); }
void multiply_f16(float* d, const uint32_t* a, const uint32_t* b) { multiply<Half>(d, a, b, "mma f16"); }

void load_matrices(uint32_t* m, const void* row) {
  const MatrixLoad own = {m, row};
  meet_warp(kAllLanes, "ldmatrix.x4", reinterpret_cast<uintptr_t>(&own), &load_warp<false>);
}

void load_transposed_matrices(uint32_t* m, const void* row) {
  const MatrixLoad own = {m, row};
  meet_warp(kAllLanes, "ldmatrix.x4.trans", reinterpret_cast<uintptr_t>(&own), &load_warp<true>);
}

}  // namespace lockstep::emulation
