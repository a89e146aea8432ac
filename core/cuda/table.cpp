// The module's name and its table of core/; see core/cuda_module.h.
#include "core/cuda/arena.h"
#include "core/cuda/device_info.h"
#include "core/cuda/graph.h"
#include "core/cuda/memory.h"
#include "core/cuda/nvtx.h"
#include "core/cuda/stream.h"
#include "core/cuda/timed_mark.h"
#include "core/cuda_api.h"

namespace lockstep::cuda {
namespace {

int64_t allocated_bytes() noexcept { return Arena::total_held(); }
int64_t peak_allocated_bytes() noexcept { return Arena::total_peak(); }

}  // namespace
}  // namespace lockstep::cuda

#define LS_EXPORT extern "C" __attribute__((visibility("default")))

LS_EXPORT const char* const lockstep_cuda_abi;
const char* const lockstep_cuda_abi = LOCKSTEP_MODULE_ABI;

LS_EXPORT const lockstep::CudaCoreApi lockstep_cuda_core;
const lockstep::CudaCoreApi lockstep_cuda_core = {
    .device_count = lockstep::cuda::device_count,
    .device_info = lockstep::cuda::device_info,
    .allocate = lockstep::cuda::allocate,
    .deallocate = lockstep::cuda::deallocate,
    .allocated_bytes = lockstep::cuda::allocated_bytes,
    .peak_allocated_bytes = lockstep::cuda::peak_allocated_bytes,
    .fill_zero = lockstep::cuda::fill_zero,
    .allocate_pinned = lockstep::cuda::allocate_pinned,
    .deallocate_pinned = lockstep::cuda::deallocate_pinned,
    .make_stream = lockstep::cuda::make_stream,
    .copy_async = lockstep::cuda::copy_async,
    .copy_2d_async = lockstep::cuda::copy_2d_async,
    .capture = lockstep::cuda::capture,
    .make_timed_marks = lockstep::cuda::make_timed_marks,
    .range_push = lockstep::cuda::range_push,
    .range_pop = lockstep::cuda::range_pop,
};
