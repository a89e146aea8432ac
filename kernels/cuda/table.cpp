// What the module offers of kernels/: every body, under the name that kernels/cuda_api.cpp looks for.
#include "kernels/cuda_api.h"

namespace cuda = lockstep::cuda;

extern "C" __attribute__((visibility("default"))) const lockstep::CudaKernelsApi lockstep_cuda_kernels;
const lockstep::CudaKernelsApi lockstep_cuda_kernels = {
    .make_op_state = cuda::make_op_state,
    .add_bias = cuda::add_bias,
    .add_rms_norm = cuda::add_rms_norm,
    .argmax_rows = cuda::argmax_rows,
    .embedding = cuda::embedding,
    .fetch_hot_pages = cuda::fetch_hot_pages,
    .fill_tokens = cuda::fill_tokens,
    .gather_rows = cuda::gather_rows,
    .head_norm = cuda::head_norm,
    .index_pages = cuda::index_pages,
    .join_shards = cuda::join_shards,
    .paged_attention = cuda::paged_attention,
    .rms_norm = cuda::rms_norm,
    .rope = cuda::rope,
    .rope_and_write_kv = cuda::rope_and_write_kv,
    .sample_rows = cuda::sample_rows,
    .seal_pages = cuda::seal_pages,
    .select_best = cuda::select_best,
    .select_pages = cuda::select_pages,
    .swiglu = cuda::swiglu,
    .void_hot_pages = cuda::void_hot_pages,
    .write_kv = cuda::write_kv,
    .pack_linear_weight = cuda::pack_linear_weight,
    .packed_linear_bytes = cuda::packed_linear_bytes,
    .linear = cuda::linear,
};
