// What the tests of the row operations, attention and sampling share: contexts, numbers, typed arrays.
#pragma once

#include "core/buffer.h"
#include "kernels/context.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

namespace lockstep::test {

/// A CPU context with a thread pool of its own.
class CpuContext {
 public:
  explicit CpuContext(CpuIsa isa = detect_cpu_isa(), int num_threads = 2)
      : threads_(std::make_unique<ThreadPool>(num_threads)) {
    context_.threads = threads_.get();
    context_.isa = isa;
  }
  operator const OpContext&() const { return context_; }  // NOLINT: implicit on purpose

 private:
  std::unique_ptr<ThreadPool> threads_;
  OpContext context_;
};

/// Every level that this machine runs and that has bodies of its own here.
inline std::vector<CpuIsa> isa_levels() {
  std::vector<CpuIsa> levels;
  for (const CpuIsa isa : {CpuIsa::kScalar, CpuIsa::kAvx2, CpuIsa::kAvx512, CpuIsa::kAvx512Bf16}) {
    if (isa <= detect_cpu_isa()) levels.push_back(isa);
  }
  return levels;
}

/// Reproducible numbers, roughly normal in [-3, 3].
inline std::vector<float> random_floats(int64_t count, uint64_t seed, float scale = 1.0F) {
  std::vector<float> out(static_cast<size_t>(count));
  uint64_t state = seed * 0x9e3779b97f4a7c15ULL + 1;
  for (float& value : out) {
    double sum = 0.0;
    for (int i = 0; i < 3; ++i) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      sum += static_cast<double>(state >> 11) * 0x1p-53 * 2.0 - 1.0;
    }
    value = static_cast<float>(sum) * scale;
  }
  return out;
}

/// A tensor in memory of exactly its size, so that an address sanitizer sees every step outside.
class TypedArray {
 public:
  TypedArray(DType dtype, int64_t count) : dtype_(dtype), bytes_(static_cast<size_t>(count * size_of(dtype))) {}
  TypedArray(DType dtype, const std::vector<float>& values) : TypedArray(dtype, static_cast<int64_t>(values.size())) {
    visit_floating(dtype, [&]<class T>() {
      for (size_t i = 0; i < values.size(); ++i) reinterpret_cast<T*>(bytes_.data())[i] = from_float<T>(values[i]);
    });
  }

  TensorView view(Shape shape) { return {bytes_.data(), dtype_, shape}; }
  /// Element i as the float that it stands for.
  float operator[](int64_t i) const {
    return visit_floating(dtype_, [&]<class T>() { return to_float(reinterpret_cast<const T*>(bytes_.data())[i]); });
  }
  bool operator==(const TypedArray& other) const { return bytes_ == other.bytes_; }
  DType dtype() const { return dtype_; }

 private:
  DType dtype_;
  std::vector<std::byte> bytes_;
};

/// Relative spacing of a type: the largest error of rounding to it.
inline double rounding(DType dtype) { return dtype == DType::kF32 ? 0x1p-24 : dtype == DType::kF16 ? 0x1p-11 : 0x1p-8; }

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

}  // namespace lockstep::test
