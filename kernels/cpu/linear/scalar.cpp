// The level that every x86-64 (and any other) CPU runs: vectors of four floats, multiply then add.
#include "kernels/cpu/linear/outer_product.h"

namespace lockstep::cpu {
namespace {

using Floats = float __attribute__((vector_size(16)));
using Bits = uint32_t __attribute__((vector_size(16)));

template <class V>
V load_as(const void* in) {
  V value;
  __builtin_memcpy(&value, in, sizeof value);
  return value;
}

Bits widen(const char* in) {
  uint16_t halves[4];
  __builtin_memcpy(halves, in, sizeof halves);
  return Bits{halves[0], halves[1], halves[2], halves[3]};
}

// Exact: moves exponent and mantissa into place and corrects the exponent by a multiplication, which also normalises
// subnormals; infinities and NaN keep the highest exponent.
Floats float_of_half(Bits half) {
  const Bits magnitude = (half & 0x7fffU) << 13;
  const Floats scaled = (Floats)magnitude * 0x1p112F;
  const Bits special = (Bits)((half & 0x7c00U) == 0x7c00U) & 0x7f800000U;
  return (Floats)((Bits)scaled | special | ((half & 0x8000U) << 16));
}

struct Scalar {
  using V = Floats;
  using X = float;
  static constexpr int kLanes = 4, kMaxRows = 2, kWideRows = 0, kPanels = 1, kSubsteps = 1;
  static V zero() { return V{}; }
  static V broadcast(const float* x) { return V{} + *x; }
  static V multiply_add(V sum, V w, V x) { return sum + w * x; }
  static V add(V a, V b) { return a + b; }
  static void store(float* out, V v) { __builtin_memcpy(out, &v, sizeof v); }
  static V load_sums(const float* in) { return load_as<V>(in); }
  static void store_halves(const float* in, uint16_t* out, int count) {
    for (int i = 0; i < count; ++i) out[i] = to_half(in[i]).bits;
  }
};

struct ScalarF32 : Scalar {
  static constexpr int kStepBytes = 64;
  template <int kVector>
  static V load(const char* w) {
    return load_as<V>(w + 16 * kVector);
  }
  template <int>
  static V expand(V raw) {
    return raw;
  }
};

struct ScalarF16 : Scalar {
  static constexpr int kStepBytes = 32;
  template <int kVector>
  static V load(const char* w) {
    return float_of_half(widen(w + 8 * kVector));
  }
  template <int>
  static V expand(V raw) {
    return raw;
  }
};

struct ScalarBf16 : Scalar {
  static constexpr int kStepBytes = 64, kSubsteps = 2;
  template <int kVector>
  static Bits load(const char* w) {
    return load_as<Bits>(w + 16 * kVector);
  }
  template <int kSubstep>
  static V expand(Bits raw) {
    return (V)(kSubstep == 0 ? raw << 16 : raw & 0xffff0000U);
  }
};

void expand_halves(const uint16_t* in, float* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = to_float(Half{in[i]});
}

}  // namespace

constinit const TileKernels kScalarBf16 = {RowFormat::kFloats, 2, Scalar::kMaxRows, outer_product_panels<ScalarBf16>,
                                           run_outer_product<ScalarBf16>};
constinit const TileKernels kScalarF32 = {RowFormat::kFloats, 1, Scalar::kMaxRows, outer_product_panels<ScalarF32>,
                                          run_outer_product<ScalarF32>};
constinit const TileKernels kScalarF16 = {
    RowFormat::kFloats, 1, Scalar::kMaxRows, outer_product_panels<ScalarF16>, run_outer_product<ScalarF16>,
    expand_halves};

}  // namespace lockstep::cpu
