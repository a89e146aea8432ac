// Rows picked from a matrix, and tokens picked from the last step's: copies, in the widest units that fit the
// addresses. Memory: what is copied, read once and written once.
#include "kernels/backends.h"
#include "kernels/cuda/address.cuh"
#include "kernels/cuda/launch.cuh"

#include <algorithm>

namespace lockstep::cuda {
namespace {

constexpr unsigned kThreads = 256;

/// One block a row of `units` units; strides in units.
template <class Unit>
__global__ void gather_rows_kernel(Rows<const Unit> in, Rows<const int32_t> rows, Rows<Unit> out, int64_t units) {
  const Unit* const from = in[*rows[blockIdx.x]];
  Unit* const to = out[blockIdx.x];
  for (int64_t i = threadIdx.x; i < units; i += blockDim.x) to[i] = from[i];
}

/// True if rows of both matrices can be moved in units of `bytes`.
bool are_units(ConstTensorView in, ConstTensorView out, int64_t bytes) {
  return are_rows_aligned(in, bytes) && are_rows_aligned(out, bytes) && in.size(1) * size_of(in.dtype()) % bytes == 0;
}

template <class Unit>
void run(const OpContext& context, ConstTensorView in, ConstTensorView rows, TensorView out) {
  const int64_t element = size_of(in.dtype()), unit = sizeof(Unit);
  const int64_t units = in.size(1) * element / unit;
  const Rows<const Unit> from = {static_cast<const Unit*>(in.data()), in.stride(0) * element / unit, true};
  const Rows<Unit> to = {static_cast<Unit*>(out.data()), out.stride(0) * element / unit, true};
  const Rows<const int32_t> picked = {rows.as<int32_t>(), rows.stride(0), false};
  const auto threads = static_cast<unsigned>(std::clamp<int64_t>((units + 31) / 32 * 32, 32, kThreads));
  launch(context, dim3(static_cast<unsigned>(out.size(0))), dim3(threads), 0, gather_rows_kernel<Unit>, from, picked,
         to, units);
}

__global__ void fill_tokens_kernel(const int32_t* ids, const int32_t* sources, const int32_t* sampled, int32_t* out,
                                   int64_t tokens) {
  const int64_t t = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (t >= tokens) return;
  const int32_t source = sources[t];
  out[t] = source < 0 ? ids[t] : sampled[source];
}

}  // namespace

void gather_rows(const OpContext& context, ConstTensorView in, ConstTensorView rows, TensorView out) {
  if (are_units(in, out, 16)) return run<uint4>(context, in, rows, out);
  if (are_units(in, out, 8)) return run<uint2>(context, in, rows, out);
  if (are_units(in, out, 4)) return run<uint32_t>(context, in, rows, out);
  return run<uint16_t>(context, in, rows, out);
}

void fill_tokens(const OpContext& context, ConstTensorView ids, ConstTensorView sources, ConstTensorView sampled,
                 TensorView out) {
  const int64_t tokens = out.size(0);
  launch(context, dim3(div_up(tokens, kThreads)), dim3(kThreads), 0, fill_tokens_kernel, ids.as<int32_t>(),
         sources.as<int32_t>(), sampled.as<int32_t>(), out.as<int32_t>(), tokens);
}

}  // namespace lockstep::cuda
