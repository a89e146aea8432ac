// One product of cuBLASLt as kernels/linear.h needs it: out[s] = x[s] · w[s]ᵀ (+ bias) for every segment s, F32 sums.
// cuBLASLt counts columns first, so it sees outᵀ = w · xᵀ. Not thread-safe.
#pragma once

#include "core/dtype.h"
#include "core/error.h"

#include <cstdint>
#include <cstring>
#include <cublasLt.h>
#include <string>
#include <vector>

#define LS_CUBLAS(call)                                                                    \
  do {                                                                                     \
    const cublasStatus_t ls_status = (call);                                               \
    LS_REQUIRE(::lockstep::CudaError, ls_status == CUBLAS_STATUS_SUCCESS, "{}: {}", #call, \
               cublasLtGetStatusString(ls_status));                                        \
  } while (false)

namespace lockstep::cuda {

/// All that an algorithm is chosen by, but the number of rows.
struct MatmulShape {
  int64_t out = 0, in = 0, num_segments = 1;
  DType dtype = DType::kF32, out_dtype = DType::kF32;
  bool has_bias = false;  // F32 out of one segment only

  std::string to_string() const;
};

/// Addresses at multiples of 16 bytes; strides in elements. w [segments, out, in], contiguous.
struct MatmulOperands {
  const void* w = nullptr;
  const void* x = nullptr;
  int64_t x_stride = 0, x_segment_stride = 0;
  void* out = nullptr;
  int64_t out_stride = 0, out_segment_stride = 0;
  const float* bias = nullptr;
};

/// A named type: nvcc's front end breaks on containers of cuBLASLt's unnamed one.
struct MatmulAlgorithm {
  cublasLtMatmulAlgo_t value{};
  bool operator==(const MatmulAlgorithm& other) const { return std::memcmp(&value, &other.value, sizeof value) == 0; }
  /// cuBLASLt's numbers of algorithm and tile, for log lines.
  std::string to_string() const;
};

/// More than the library recommends for Hopper brings nothing without split sums.
inline constexpr int64_t kMatmulWorkspaceBytes = int64_t{32} << 20;

class Matmul {
 public:
  Matmul(const MatmulShape& shape, int64_t rows, const MatmulOperands& operands);

  /// What the library proposes, best guess first, without algorithms that cut a sum into parts.
  std::vector<MatmulAlgorithm> candidates(cublasLtHandle_t handle);
  bool is_supported(cublasLtHandle_t handle, const MatmulAlgorithm& algorithm);
  /// Enqueues. `workspace`: kMatmulWorkspaceBytes.
  void run(cublasLtHandle_t handle, const MatmulAlgorithm& algorithm, void* workspace, cudaStream_t stream);

 private:
  MatmulOperands operands_;
  cublasLtMatmulDescOpaque_t operation_{};
  cublasLtMatrixLayoutOpaque_t w_{}, x_{}, out_{};
};

}  // namespace lockstep::cuda
