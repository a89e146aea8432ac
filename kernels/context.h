// What every operation needs to run: device, stream, host threads, instruction-set level. Passed first, never global.
#pragma once

#include "core/cpu_isa.h"
#include "core/device.h"
#include "core/stream.h"
#include "core/thread_pool.h"

namespace lockstep {

class OpState;
class Tracer;

/// A view: the owner (launcher/runtime) outlives it. Operations enqueue on `stream` and may return before completion;
/// CPU ranks compute on an inline stream, so there an operation has completed when it returns.
struct OpContext {
  Device device = Device::cpu();
  Stream* stream = nullptr;
  ThreadPool* threads = nullptr;
  CpuIsa isa = CpuIsa::kScalar;
  OpState* state = nullptr;  // CUDA: workspaces and library handles (kernels/op_state.h)
  Tracer* tracer = nullptr;  // null unless the job is traced (core/trace.h)
};

}  // namespace lockstep
