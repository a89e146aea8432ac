// What emulated device code sees of the machine that runs it: the block's threads are fibers of one OS thread, and each
// OS thread has a machine of its own, so several may run kernels at once. Blocks run one after another; a thread runs
// until it has to wait for others. A wait that nothing can end aborts with the block, the threads and what they wait
// for.
#pragma once

#include "tests/support/cuda_emulation/vector_types.h"

#include <cstddef>
#include <cstdint>

// Hidden, so that one look-up finds all of them; not in the static block of thread-local memory (initial-exec), which
// has no room for the shared memory of the kernels of a module that is loaded late.
extern constinit thread_local uint3 threadIdx [[gnu::visibility("hidden")]];
extern constinit thread_local uint3 blockIdx [[gnu::visibility("hidden")]];
extern constinit thread_local dim3 blockDim [[gnu::visibility("hidden")]];
extern constinit thread_local dim3 gridDim [[gnu::visibility("hidden")]];
inline constexpr int warpSize = 32;

namespace lockstep::emulation {

inline constexpr size_t kMaxSharedBytes = 227 * 1024;  // what one block may have on sm_90

/// A kernel with its arguments bound: `thread(arguments)` is one thread's run.
struct Kernel {
  dim3 grid, block;
  size_t shared_bytes;
  void (*thread)(const void* arguments);
  const void* arguments;
};

/// Runs all blocks on the calling thread.
void run_kernel(const Kernel& kernel);

// Below: for device code only, within run_kernel.

/// What the lanes of a warp brought to a meeting, by lane; what a lane that took no part brought is undefined.
struct Meeting {
  const uint64_t* values;
  uint32_t lanes;  // which took part
};
/// `complete`, if given, is called once, by the last lane to come, with all 32 values; then all lanes of a full warp
/// must take part.
using CompleteMeeting = void (*)(uint64_t* values);

/// Waits for all threads of the block that have not returned. Returns how many of them came with `predicate` true.
int meet_block(bool predicate);
/// Waits for the lanes of `mask` that have not returned. `operation` names what they do together; it is compared.
Meeting meet_warp(uint32_t mask, const char* operation, uint64_t value, CompleteMeeting complete = nullptr);
/// This thread's place in its warp.
uint32_t lane_id();

/// The block's dynamic shared memory; at the start of a block all bits are set, which reads as NaN.
void* dynamic_shared_bytes();

/// Copies that happen only when waited for; until then all bits of the target are set, as nothing may be expected of
/// it.
void copy_async(void* shared, const void* global, size_t bytes, bool is_valid);
void commit_copies();
/// Performs all committed groups but the latest `num_pending`.
void wait_copies(size_t num_pending);

/// Prints `what` with the block and thread, and aborts.
[[noreturn]] void fail_kernel(const char* what);

}  // namespace lockstep::emulation
