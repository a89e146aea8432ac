// Which algorithm multiplies how many rows, chosen once a shape so that a row's bits are the same for every number of
// rows, and on every shard of the weight (kernels/cuda/linear/choose.h).
#pragma once

#include "kernels/cuda/linear/matmul.h"
#include "kernels/linear.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lockstep::cuda {

struct LinearPlan {
  struct Choice {
    int64_t max_rows = 0;
    MatmulAlgorithm algorithm{};
  };
  MatmulShape shape;
  std::vector<Choice> choices;  // by rising rows
  bool is_common = true;        // has the bits of the element type's reference, so those of every other shard

  /// More rows than this are multiplied piece by piece.
  int64_t max_rows() const { return choices.back().max_rows; }
  const MatmulAlgorithm& algorithm(int64_t rows) const;
  /// "4096 x 4096 bf16 -> f32: 1 rows 21:15, 16 rows 21:15, …" (cuBLASLt's numbers of algorithm and tile).
  std::string describe() const;
};

}  // namespace lockstep::cuda

struct lockstep::LinearAlgorithm {
  cuda::LinearPlan f32;                  // into F32; with the bias if the shape has one
  std::optional<cuda::LinearPlan> same;  // into the weight's own type, where that is another and nothing is added
};
