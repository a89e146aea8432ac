#include "kernels/cuda/linear/matmul.h"

#include <array>

namespace lockstep::cuda {
namespace {

constexpr int kMaxCandidates = 16;
constexpr uint32_t kAlignment = 16;

cudaDataType data_type(DType dtype) {
  return dtype == DType::kF32 ? CUDA_R_32F : dtype == DType::kF16 ? CUDA_R_16F : CUDA_R_16BF;
}

void set_layout(cublasLtMatrixLayoutOpaque_t& layout, DType dtype, int64_t rows, int64_t columns, int64_t stride,
                int64_t num_segments, int64_t segment_stride) {
  LS_CUBLAS(cublasLtMatrixLayoutInit(&layout, data_type(dtype), static_cast<uint64_t>(rows),
                                     static_cast<uint64_t>(columns), stride));
  if (num_segments == 1) return;
  const auto count = static_cast<int32_t>(num_segments);
  LS_CUBLAS(cublasLtMatrixLayoutSetAttribute(&layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count));
  LS_CUBLAS(cublasLtMatrixLayoutSetAttribute(&layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &segment_stride,
                                             sizeof segment_stride));
}

/// 0 where the algorithm does not tell.
uint32_t config_of(const cublasLtMatmulAlgo_t& algorithm, cublasLtMatmulAlgoConfigAttributes_t attribute) {
  uint32_t value = 0;
  size_t written = 0;
  const auto status = cublasLtMatmulAlgoConfigGetAttribute(&algorithm, attribute, &value, sizeof value, &written);
  return status == CUBLAS_STATUS_SUCCESS ? value : 0;
}

// What this cannot see (stream-K tells nobody of its parts) the proof by bits finds.
bool cuts_sums(const cublasLtMatmulAlgo_t& algorithm) {
  return config_of(algorithm, CUBLASLT_ALGO_CONFIG_SPLITK_NUM) > 1 ||
         config_of(algorithm, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME) != CUBLASLT_REDUCTION_SCHEME_NONE;
}

class Preference {
 public:
  Preference() {
    LS_CUBLAS(cublasLtMatmulPreferenceInit(&preference_));
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<uint64_t>(kMatmulWorkspaceBytes));
    set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, uint32_t{CUBLASLT_REDUCTION_SCHEME_NONE});
    for (const auto attribute :
         {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
      set(attribute, kAlignment);
    }
  }
  cublasLtMatmulPreference_t get() { return &preference_; }

 private:
  template <class T>
  void set(cublasLtMatmulPreferenceAttributes_t attribute, T value) {
    LS_CUBLAS(cublasLtMatmulPreferenceSetAttribute(&preference_, attribute, &value, sizeof value));
  }
  cublasLtMatmulPreferenceOpaque_t preference_{};
};

}  // namespace

std::string MatmulShape::to_string() const {
  return fmt::format("{} x {}{} {} -> {}{}", out, in, num_segments == 1 ? "" : fmt::format(" x {}", num_segments),
                     name_of(dtype), name_of(out_dtype), has_bias ? " + bias" : "");
}

Matmul::Matmul(const MatmulShape& shape, int64_t rows, const MatmulOperands& operands) : operands_(operands) {
  // F32 weights: no shorter mantissas on the way (TF32), and no emulation by BF16.
  const auto compute = shape.dtype == DType::kF32 ? CUBLAS_COMPUTE_32F_PEDANTIC : CUBLAS_COMPUTE_32F;
  LS_CUBLAS(cublasLtMatmulDescInit(&operation_, compute, CUDA_R_32F));
  const cublasOperation_t transposed = CUBLAS_OP_T;
  LS_CUBLAS(cublasLtMatmulDescSetAttribute(&operation_, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed));
  if (shape.has_bias) {
    const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
    LS_CUBLAS(cublasLtMatmulDescSetAttribute(&operation_, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue));
    LS_CUBLAS(cublasLtMatmulDescSetAttribute(&operation_, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &operands_.bias,
                                             sizeof operands_.bias));
  }
  const int64_t segments = shape.num_segments;
  set_layout(w_, shape.dtype, shape.in, shape.out, shape.in, segments, shape.out * shape.in);
  set_layout(x_, shape.dtype, shape.in, rows, operands.x_stride, segments, operands.x_segment_stride);
  set_layout(out_, shape.out_dtype, shape.out, rows, operands.out_stride, segments, operands.out_segment_stride);
}

std::vector<MatmulAlgorithm> Matmul::candidates(cublasLtHandle_t handle) {
  Preference preference;
  std::array<cublasLtMatmulHeuristicResult_t, kMaxCandidates> found{};
  int count = 0;
  const auto status = cublasLtMatmulAlgoGetHeuristic(handle, &operation_, &w_, &x_, &out_, &out_, preference.get(),
                                                     kMaxCandidates, found.data(), &count);
  std::vector<MatmulAlgorithm> algorithms;
  if (status == CUBLAS_STATUS_NOT_SUPPORTED) return algorithms;
  LS_CUBLAS(status);
  for (int i = 0; i < count; ++i) {
    const auto& result = found[static_cast<size_t>(i)];
    if (result.state == CUBLAS_STATUS_SUCCESS && !cuts_sums(result.algo)) algorithms.push_back({result.algo});
  }
  return algorithms;
}

bool Matmul::is_supported(cublasLtHandle_t handle, const MatmulAlgorithm& algorithm) {
  cublasLtMatmulHeuristicResult_t result{};
  const auto status = cublasLtMatmulAlgoCheck(handle, &operation_, &w_, &x_, &out_, &out_, &algorithm.value, &result);
  return status == CUBLAS_STATUS_SUCCESS && result.workspaceSize <= static_cast<size_t>(kMatmulWorkspaceBytes);
}

void Matmul::run(cublasLtHandle_t handle, const MatmulAlgorithm& algorithm, void* workspace, cudaStream_t stream) {
  const float one = 1.0F, zero = 0.0F;
  LS_CUBLAS(cublasLtMatmul(handle, &operation_, &one, operands_.w, &w_, operands_.x, &x_, &zero, operands_.out, &out_,
                           operands_.out, &out_, &algorithm.value, workspace,
                           static_cast<size_t>(kMatmulWorkspaceBytes), stream));
}

std::string MatmulAlgorithm::to_string() const {
  return fmt::format("{}:{}", config_of(value, CUBLASLT_ALGO_CONFIG_ID),
                     config_of(value, CUBLASLT_ALGO_CONFIG_TILE_ID));
}

}  // namespace lockstep::cuda
