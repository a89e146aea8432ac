#include "core/copy.h"
#include "kernels/cuda/address.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/linear/trial.h"
#include "kernels/cuda/state.h"

#include <algorithm>
#include <array>

namespace lockstep::cuda {
namespace {

constexpr unsigned kThreads = 256;
constexpr int kTimedRuns = 5;

/// Numbers of either sign between 2^-3 and 2^5, all bits of the mantissa at random: most sums of them round. In F16
/// they leave room for sums of some ten thousand and for their rounding errors.
__device__ float random_value(uint32_t row, uint32_t column, uint32_t seed) {
  uint32_t h = (row * 0x9e3779b9U) ^ (column * 0x85ebca6bU + seed);
  h = (h ^ (h >> 16)) * 0x7feb352dU;
  h = (h ^ (h >> 15)) * 0x846ca68bU;
  h ^= h >> 16;
  const uint32_t exponent = 131U - (h & 7U), sign = (h >> 3) & 1U;
  return __int_as_float(static_cast<int>((sign << 31) | (exponent << 23) | (h >> 9)));
}

/// Row j of `data` gets the pattern's row j / divisor % modulus % period. Its second half repeats the first, negated in
/// odd rows if `cancels`: of those sums only the rounding errors remain, which a 16-bit result shows as well as an F32
/// one, where it would round away all difference between other sums. A thread writes a group of elements.
template <class T>
__global__ void fill_kernel(T* data, int64_t num_rows, int64_t length, int64_t divisor, int64_t modulus, int64_t period,
                            uint32_t seed, bool cancels) {
  const int64_t first = (int64_t{blockIdx.x} * blockDim.x + threadIdx.x) * kGroup;
  for (int64_t row = blockIdx.y; row < num_rows && first < length; row += gridDim.y) {
    const auto pattern = static_cast<uint32_t>(row / divisor % modulus % period);
    float values[kGroup];
#pragma unroll
    for (int k = 0; k < kGroup; ++k) {
      const bool is_second = first + k >= length / 2;
      const int64_t column = is_second ? first + k - length / 2 : first + k;
      const float value = random_value(pattern, static_cast<uint32_t>(column), seed);
      values[k] = cancels && is_second && pattern % 2 == 1 ? -value : value;
    }
    store_group(data + row * length, first, length, length % kGroup == 0, values);
  }
}

/// `out` [segments * rows, length]. Sets `differs` where an element is not the expected one.
template <class Out>
__global__ void compare_kernel(const Out* out, int64_t num_rows, int64_t rows, int64_t length, const float* expected,
                               const float* bias, int* differs) {
  const int64_t first = (int64_t{blockIdx.x} * blockDim.x + threadIdx.x) * kGroup;
  for (int64_t row = blockIdx.y; row < num_rows && first < length; row += gridDim.y) {
    float values[kGroup];
    load_group(out + row * length + first, length - first, length % kGroup == 0, values);
    for (int k = 0; k < kGroup && first + k < length; ++k) {
      const int64_t column = first + k;
      float want = expected[row % rows % kTrialRows * kTrialColumns + column % kTrialColumns];
      if (bias != nullptr) want = __fadd_rn(want, bias[column]);
      Out rounded;
      narrow(want, rounded);
      if (__float_as_int(widen(rounded)) != __float_as_int(values[k])) *differs = 1;
    }
  }
}

dim3 grid_of(int64_t num_rows, int64_t length) {
  constexpr int64_t kMaxGridRows = 32768;
  return dim3(div_up(length, int64_t{kThreads} * kGroup), static_cast<unsigned>(std::min(num_rows, kMaxGridRows)));
}

void fill(const OpContext& context, DType dtype, void* data, int64_t num_rows, int64_t length, int64_t divisor,
          int64_t modulus, int64_t period, uint32_t seed, bool cancels) {
  visit_floating(dtype, [&]<class T>() {
    using Element = DeviceTypeOf<T>;
    launch(context, grid_of(num_rows, length), dim3(kThreads), 0, fill_kernel<Element>, static_cast<Element*>(data),
           num_rows, length, divisor, modulus, period, seed, cancels);
  });
}

/// An event that takes the time.
class Clock {
 public:
  Clock() { LS_CUDA(cudaEventCreate(&event_)); }
  ~Clock() { cudaEventDestroy(event_); }
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  cudaEvent_t get() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace

Trial::Trial(const OpContext& context, const MatmulShape& shape, int64_t max_rows, void* w, float* bias)
    : context_(context),
      handle_(state_of(context).linear_library().handle),
      shape_(shape),
      max_rows_(max_rows),
      w_(w),
      bias_(bias),
      workspace_(state_of(context).scratch(ScratchUse::kLinearWorkspace, kMatmulWorkspaceBytes)),
      x_(max_rows * shape.num_segments * shape.in * size_of(shape.dtype), context.device),
      out_(shape.num_segments * max_rows * shape.out * size_of(shape.out_dtype), context.device),
      expected_(kTrialRows * kTrialColumns * size_of(DType::kF32), context.device),
      differs_(int64_t{sizeof(int)}, context.device) {
  fill(context, shape.dtype, w, shape.num_segments * shape.out, shape.in, 1, shape.out, kTrialColumns, 1, true);
  fill(context, shape.dtype, x_.data(), max_rows * shape.num_segments, shape.in, shape.num_segments, max_rows,
       kTrialRows, 2, false);
  if (bias != nullptr) fill(context, DType::kF32, bias, 1, shape.out, 1, 1, 1, 3, false);
}

Matmul Trial::matmul(int64_t rows) const {
  return {shape_,
          rows,
          {.w = w_,
           .x = x_.data(),
           .x_stride = shape_.num_segments * shape_.in,
           .x_segment_stride = shape_.in,
           .out = out_.data(),
           .out_stride = shape_.out,
           .out_segment_stride = rows * shape_.out,
           .bias = bias_}};
}

std::vector<MatmulAlgorithm> Trial::candidates(int64_t rows) const { return matmul(rows).candidates(handle_); }

bool Trial::is_supported(const MatmulAlgorithm& algorithm, int64_t rows) const {
  return matmul(rows).is_supported(handle_, algorithm);
}

void Trial::run(const MatmulAlgorithm& algorithm, int64_t rows) const {
  matmul(rows).run(handle_, algorithm, workspace_, stream_of(context_));
}

std::vector<float> Trial::product(const MatmulAlgorithm& algorithm) const {
  const int64_t rows = std::min(kTrialRows, max_rows_), columns = std::min(kTrialColumns, shape_.out);
  run(algorithm, rows);
  std::vector<float> values(static_cast<size_t>(kTrialRows * kTrialColumns));
  visit_floating(shape_.out_dtype, [&]<class T>() {
    std::vector<T> row(static_cast<size_t>(columns));
    for (int64_t r = 0; r < rows; ++r) {
      const T* const from = static_cast<const T*>(out_.data()) + r * shape_.out;
      copy_async(*context_.stream, row.data(), from, columns * size_of(shape_.out_dtype));
      context_.stream->synchronize();
      std::transform(row.begin(), row.end(), values.begin() + r * kTrialColumns, [](T x) { return to_float(x); });
    }
  });
  return values;
}

void Trial::expect(const std::vector<float>& values, bool has_bias) {
  copy_async(*context_.stream, expected_.data(), values.data(), expected_.bytes());
  context_.stream->synchronize();
  expected_has_bias_ = has_bias;
}

bool Trial::agrees(const MatmulAlgorithm& algorithm, int64_t rows) const {
  // NaN everywhere: an element that is not written does not agree.
  const int64_t num_rows = shape_.num_segments * rows;
  LS_CUDA(cudaMemsetAsync(out_.data(), 0xff, static_cast<size_t>(num_rows * shape_.out * size_of(shape_.out_dtype)),
                          stream_of(context_)));
  LS_CUDA(cudaMemsetAsync(differs_.data(), 0, sizeof(int), stream_of(context_)));
  run(algorithm, rows);
  visit_floating(shape_.out_dtype, [&]<class T>() {
    using Out = DeviceTypeOf<T>;
    launch(context_, grid_of(num_rows, shape_.out), dim3(kThreads), 0, compare_kernel<Out>,
           static_cast<const Out*>(out_.data()), num_rows, rows, shape_.out,
           static_cast<const float*>(expected_.data()), expected_has_bias_ ? nullptr : bias_,
           static_cast<int*>(differs_.data()));
  });
  int differs = 1;
  copy_async(*context_.stream, &differs, differs_.data(), int64_t{sizeof differs});
  context_.stream->synchronize();
  return differs == 0;
}

float Trial::milliseconds(const MatmulAlgorithm& algorithm, int64_t rows) const {
  std::array<float, kTimedRuns> times{};
  const Clock start, end;
  for (float& time : times) {
    LS_CUDA(cudaEventRecord(start.get(), stream_of(context_)));
    run(algorithm, rows);
    LS_CUDA(cudaEventRecord(end.get(), stream_of(context_)));
    LS_CUDA(cudaEventSynchronize(end.get()));
    LS_CUDA(cudaEventElapsedTime(&time, start.get(), end.get()));
  }
  std::nth_element(times.begin(), times.begin() + kTimedRuns / 2, times.end());
  return times[kTimedRuns / 2];
}

}  // namespace lockstep::cuda
