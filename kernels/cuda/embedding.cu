// Rows of the embedding table, widened to F32. Memory: a row of the table read, its F32 form written.
#include "kernels/backends.h"
#include "kernels/cuda/address.cuh"
#include "kernels/cuda/launch.cuh"

namespace lockstep::cuda {
namespace {

constexpr int64_t kMaxThreads = 256;

/// One block a token. Ids outside [vocab_begin, vocab_begin + num_rows), -1 among them, give -0.0.
template <class T>
__global__ void embedding_kernel(Rows<const int32_t> ids, Rows<const T> table, int64_t num_rows, int64_t vocab_begin,
                                 Rows<float> out, int64_t hidden) {
  const int64_t index = *ids[blockIdx.x] - vocab_begin;
  const bool is_here = index >= 0 && index < num_rows;
  float* const to = out[blockIdx.x];
  for (int64_t i = int64_t{threadIdx.x} * kGroup; i < hidden; i += int64_t{blockDim.x} * kGroup) {
    float values[kGroup] = {-0.0F, -0.0F, -0.0F, -0.0F};
    if (is_here) load_group(table[index] + i, hidden - i, table.is_aligned, values);
    store_group(to, i, hidden, out.is_aligned, values);
  }
}

}  // namespace

void embedding(const OpContext& context, ConstTensorView ids, ConstTensorView table, int64_t vocab_begin,
               TensorView out) {
  const int64_t hidden = out.size(1);
  const Rows<const int32_t> tokens = {ids.as<int32_t>(), ids.stride(0), false};
  visit_floating(table.dtype(), [&]<class T>() {
    using Element = DeviceTypeOf<T>;
    launch(context, dim3(static_cast<unsigned>(out.size(0))), dim3(threads_for(hidden, kMaxThreads)), 0,
           embedding_kernel<Element>, tokens, rows_of<const Element>(table), table.size(0), vocab_begin,
           rows_of<float>(out), hidden);
  });
}

}  // namespace lockstep::cuda
