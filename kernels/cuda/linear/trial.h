// Products of random operands, to see what bits an algorithm gives at which number of rows.
//
// Rows of x repeat after 64, rows of w after 256, alike in all segments: so 64 x 256 numbers say what a product of any
// size must give, in every one of its places.
#pragma once

#include "core/buffer.h"
#include "kernels/context.h"
#include "kernels/cuda/linear/library.h"

#include <cstdint>
#include <vector>

namespace lockstep::cuda {

inline constexpr int64_t kTrialRows = 64, kTrialColumns = 256;

/// Holds operands and product of `max_rows` rows in device memory while it lives.
class Trial {
 public:
  /// Overwrites `w` [segments, out, in] and, if the shape has one, `bias` [out].
  Trial(const OpContext& context, const MatmulShape& shape, int64_t max_rows, void* w, float* bias);

  std::vector<MatmulAlgorithm> candidates(int64_t rows) const;
  bool is_supported(const MatmulAlgorithm& algorithm, int64_t rows) const;
  /// The first product [64, 256]; 0 where this shape has no such element. Holds the bias if the shape has one.
  std::vector<float> product(const MatmulAlgorithm& algorithm) const;
  /// What agrees() compares with: a product of 64 rows, with or without the bias in it.
  void expect(const std::vector<float>& values, bool has_bias);
  /// Whether all rows and segments have the expected bits, rounded to the type of the product.
  bool agrees(const MatmulAlgorithm& algorithm, int64_t rows) const;
  /// Median over a few runs.
  float milliseconds(const MatmulAlgorithm& algorithm, int64_t rows) const;

 private:
  Matmul matmul(int64_t rows) const;
  void run(const MatmulAlgorithm& algorithm, int64_t rows) const;

  const OpContext& context_;
  cublasLtHandle_t handle_;
  MatmulShape shape_;
  int64_t max_rows_;
  const void* w_;
  const float* bias_;
  void* workspace_;
  Buffer x_, out_, expected_, differs_;
  bool expected_has_bias_ = false;
};

}  // namespace lockstep::cuda
