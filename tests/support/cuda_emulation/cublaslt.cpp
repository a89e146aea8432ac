// Emulated cuBLASLt: see include/cublasLt.h.
#include "tests/support/cuda_emulation/include/cublasLt.h"

#include "tests/support/cuda_emulation/product.h"
#include "tests/support/cuda_emulation/runtime.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

using lockstep::DType;
using lockstep::emulation::Product;
using lockstep::emulation::SumOrder;

struct cublasLtContext {};

namespace {

struct Layout {
  cudaDataType type;
  int32_t batch;
  uint64_t rows, columns;
  int64_t stride, batch_stride;
};
struct Operation {
  cublasComputeType_t compute;
  cublasOperation_t transposed_a;
  cublasLtEpilogue_t epilogue;
  const void* bias;
};

enum Algorithm : uint64_t { kNone, kPlain, kPlainTwin, kInterleaved, kRagged, kByWidth, kSplit, kSplitSecretly };
constexpr std::array<std::string_view, 8> kNames = {"",       "plain",    "plain_twin", "interleaved",
                                                    "ragged", "by_width", "split",      "split_secretly"};

// The opaque structs hold ours; memcpy keeps to the rules about types.
template <class T, class Opaque>
T unpack(const Opaque* opaque) {
  static_assert(sizeof(T) <= sizeof(Opaque));
  T value;
  std::memcpy(&value, opaque->data, sizeof value);
  return value;
}
template <class T, class Opaque>
void pack(Opaque* opaque, const T& value) {
  *opaque = {};
  std::memcpy(opaque->data, &value, sizeof value);
}
template <class T>
bool read(const void* value, size_t bytes, T& to) {
  if (bytes != sizeof to) return false;
  std::memcpy(&to, value, bytes);
  return true;
}
cublasStatus_t valid(bool is_valid) { return is_valid ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE; }

DType dtype_of(cudaDataType type) {
  return type == CUDA_R_32F ? DType::kF32 : type == CUDA_R_16F ? DType::kF16 : DType::kBF16;
}
size_t element_bytes(cudaDataType type) { return type == CUDA_R_32F ? 4 : 2; }

bool is_stride_aligned(const Layout& layout) {
  const auto stride = static_cast<size_t>(layout.stride), batch_stride = static_cast<size_t>(layout.batch_stride);
  return stride * element_bytes(layout.type) % 16 == 0 && batch_stride * element_bytes(layout.type) % 16 == 0;
}

/// What cuBLASLt checks of descriptors.
bool is_supported(const Operation& operation, const Layout& a, const Layout& b, const Layout& d, uint64_t algorithm) {
  const bool fits = operation.transposed_a == CUBLAS_OP_T && a.rows == b.rows && a.columns == d.rows &&
                    b.columns == d.columns && a.batch == b.batch && b.batch == d.batch;
  const bool are_strides_valid = a.stride >= static_cast<int64_t>(a.rows) && b.stride >= static_cast<int64_t>(b.rows) &&
                                 d.stride >= static_cast<int64_t>(d.rows);
  const bool are_types_valid = a.type == b.type && (d.type == CUDA_R_32F || d.type == a.type) &&
                               (a.type != CUDA_R_32F || operation.compute == CUBLAS_COMPUTE_32F_PEDANTIC);
  const bool is_bias_valid = operation.epilogue == CUBLASLT_EPILOGUE_DEFAULT ||
                             (operation.bias != nullptr && d.type == CUDA_R_32F && d.batch == 1);
  return fits && are_strides_valid && are_types_valid && is_bias_valid && is_stride_aligned(a) &&
         is_stride_aligned(b) && is_stride_aligned(d) && algorithm != kNone && algorithm < kNames.size() &&
         (algorithm != kPlainTwin || d.rows >= 64);
}

std::vector<uint64_t> proposals(const Layout& d) {
  if (const char* named = std::getenv("LOCKSTEP_EMULATED_CUBLASLT"); named != nullptr && *named != '\0') {
    std::vector<uint64_t> order;
    for (std::string_view left = named; !left.empty();) {
      const size_t end = std::min(left.find(','), left.size());
      const auto place = std::find(kNames.begin(), kNames.end(), left.substr(0, end));
      if (place != kNames.end()) order.push_back(static_cast<uint64_t>(place - kNames.begin()));
      left.remove_prefix(std::min(end + 1, left.size()));
    }
    return order;
  }
  // As the real one's guesses do, they change with rows, width and batch, and the first is seldom the one to take.
  const bool is_odd = (d.rows / 8 + static_cast<uint64_t>(d.batch)) % 2 == 1;
  if (d.columns <= 16) {
    if (is_odd) return {kInterleaved, kSplitSecretly, kRagged, kPlainTwin, kPlain};
    return {kRagged, kPlainTwin, kSplit, kPlain, kInterleaved};
  }
  if (is_odd) return {kSplitSecretly, kInterleaved, kPlainTwin, kRagged};
  return {kSplit, kRagged, kSplitSecretly, kPlain, kInterleaved, kPlainTwin};
}

void run(uint64_t algorithm, const Product& product) {
  const int64_t rows = product.rows, whole = rows / 8 * 8;
  switch (algorithm) {
    case kPlain: return multiply(product, SumOrder::kRunning, 0, rows);
    case kPlainTwin:
      multiply(product, SumOrder::kRunning, 0, rows);
      return multiply(product, SumOrder::kRunning, 0, rows);
    case kInterleaved: return multiply(product, SumOrder::kInterleaved, 0, rows);
    case kRagged:
      multiply(product, SumOrder::kRunning, 0, whole);
      return multiply(product, SumOrder::kInterleaved, whole, rows);
    case kByWidth:
      return multiply(product, product.columns > 256 ? SumOrder::kInterleaved : SumOrder::kRunning, 0, rows);
    case kSplit: return multiply(product, SumOrder::kHalves, 0, rows);
    default: return multiply(product, rows > 32 ? SumOrder::kHalves : SumOrder::kRunning, 0, rows);
  }
}

}  // namespace

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  if (lockstep::emulation::check_call() != cudaSuccess) return CUBLAS_STATUS_NOT_INITIALIZED;
  *handle = new cublasLtContext;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

size_t cublasLtGetVersion() { return 130002; }

const char* cublasLtGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS: return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
  }
  return "CUBLAS_STATUS_UNKNOWN";
}

cublasStatus_t cublasLtMatrixLayoutInit(cublasLtMatrixLayout_t layout, cudaDataType type, uint64_t rows,
                                        uint64_t columns, int64_t stride) {
  pack(layout, Layout{type, 1, rows, columns, stride, 0});
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t attribute, const void* value,
                                                size_t bytes) {
  auto held = unpack<Layout>(layout);
  const bool is_valid = attribute == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT ? read(value, bytes, held.batch)
                                                                        : read(value, bytes, held.batch_stride);
  pack(layout, held);
  return valid(is_valid);
}

cublasStatus_t cublasLtMatmulDescInit(cublasLtMatmulDesc_t operation, cublasComputeType_t compute,
                                      cudaDataType_t scale) {
  pack(operation, Operation{compute, CUBLAS_OP_N, CUBLASLT_EPILOGUE_DEFAULT, nullptr});
  return valid(scale == CUDA_R_32F);
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t operation, cublasLtMatmulDescAttributes_t attribute,
                                              const void* value, size_t bytes) {
  auto held = unpack<Operation>(operation);
  const bool is_valid = attribute == CUBLASLT_MATMUL_DESC_TRANSA     ? read(value, bytes, held.transposed_a)
                        : attribute == CUBLASLT_MATMUL_DESC_EPILOGUE ? read(value, bytes, held.epilogue)
                                                                     : read(value, bytes, held.bias);
  pack(operation, held);
  return valid(is_valid);
}

cublasStatus_t cublasLtMatmulPreferenceInit(cublasLtMatmulPreference_t preference) {
  *preference = {};
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t,
                                                    cublasLtMatmulPreferenceAttributes_t attribute, const void*,
                                                    size_t bytes) {
  return valid(bytes == (attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES ? sizeof(uint64_t) : sizeof(uint32_t)));
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t, int wanted,
                                              cublasLtMatmulHeuristicResult_t results[], int* count) {
  *count = 0;
  for (const uint64_t algorithm : proposals(unpack<Layout>(d))) {
    if (*count == wanted) break;
    cublasLtMatmulHeuristicResult_t& result = results[*count];
    result = {};
    result.algo.data[0] = algorithm;
    result.state = cublasLtMatmulAlgoCheck(handle, operation, a, b, c, d, &result.algo, &result);
    if (result.state == CUBLAS_STATUS_SUCCESS) ++*count;
  }
  return *count == 0 ? CUBLAS_STATUS_NOT_SUPPORTED : CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t, cublasLtMatmulDesc_t operation, cublasLtMatrixLayout_t a,
                                       cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t d,
                                       const cublasLtMatmulAlgo_t* algorithm, cublasLtMatmulHeuristicResult_t* result) {
  result->workspaceSize = 0;
  return is_supported(unpack<Operation>(operation), unpack<Layout>(a), unpack<Layout>(b), unpack<Layout>(d),
                      algorithm->data[0])
             ? CUBLAS_STATUS_SUCCESS
             : CUBLAS_STATUS_NOT_SUPPORTED;
}

cublasStatus_t cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t* algorithm,
                                                    cublasLtMatmulAlgoConfigAttributes_t attribute, void* value,
                                                    size_t bytes, size_t* written) {
  const bool is_split = algorithm->data[0] == kSplit;
  uint32_t held = 0;
  switch (attribute) {
    case CUBLASLT_ALGO_CONFIG_ID: held = static_cast<uint32_t>(algorithm->data[0]); break;
    case CUBLASLT_ALGO_CONFIG_TILE_ID: break;
    case CUBLASLT_ALGO_CONFIG_SPLITK_NUM: held = is_split ? 2 : 1; break;
    case CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME:
      held = is_split ? CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE : CUBLASLT_REDUCTION_SCHEME_NONE;
      break;
  }
  if (bytes != sizeof held) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(value, &held, bytes);
  *written = bytes;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t operation_data, const void* alpha, const void* a,
                              cublasLtMatrixLayout_t a_layout, const void* b, cublasLtMatrixLayout_t b_layout,
                              const void* beta, const void*, cublasLtMatrixLayout_t, void* d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t* algorithm, void*, size_t,
                              cudaStream_t stream) {
  const auto operation = unpack<Operation>(operation_data);
  const auto w = unpack<Layout>(a_layout), x = unpack<Layout>(b_layout), out = unpack<Layout>(d_layout);
  const auto is_aligned = [](const void* data) { return reinterpret_cast<uintptr_t>(data) % 16 == 0; };
  if (!is_supported(operation, w, x, out, algorithm->data[0]) || !is_aligned(a) || !is_aligned(b) || !is_aligned(d) ||
      *static_cast<const float*>(alpha) != 1.0F || *static_cast<const float*>(beta) != 0.0F) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  const auto work = [=, id = algorithm->data[0]] {
    const auto at = [](const void* data, const Layout& layout, int64_t batch) {
      return static_cast<const char*>(data) +
             batch * layout.batch_stride * static_cast<int64_t>(element_bytes(layout.type));
    };
    for (int64_t batch = 0; batch < out.batch; ++batch) {
      run(id,
          {.w = at(a, w, batch),
           .x = at(b, x, batch),
           .out = const_cast<char*>(at(d, out, batch)),
           .bias = operation.epilogue == CUBLASLT_EPILOGUE_BIAS ? static_cast<const float*>(operation.bias) : nullptr,
           .rows = static_cast<int64_t>(out.columns),
           .columns = static_cast<int64_t>(out.rows),
           .length = static_cast<int64_t>(w.rows),
           .w_stride = w.stride,
           .x_stride = x.stride,
           .out_stride = out.stride,
           .dtype = dtype_of(w.type),
           .out_dtype = dtype_of(out.type)});
    }
  };
  return lockstep::emulation::enqueue(stream, work) == cudaSuccess ? CUBLAS_STATUS_SUCCESS
                                                                   : CUBLAS_STATUS_EXECUTION_FAILED;
}
