// What a rank computes with: device, cores, threads, instruction set. Resolves "auto" and says what it chose and why.
#pragma once

#include "core/settings/engine_settings.h"
#include "core/stream.h"
#include "core/thread_pool.h"
#include "core/trace.h"
#include "dist/communicator.h"
#include "kernels/context.h"
#include "kernels/op_state.h"

#include <memory>

namespace lockstep {

/// Owner of everything that an OpContext points to.
class Runtime {
 public:
  /// Ranks: collective over `world` (the instruction set is the lowest over all ranks).
  /// Throws: PhaseFailure on every rank for a device or instruction set that a machine does not have.
  Runtime(const RuntimeSettings& settings, Communicator& world, int32_t local_rank, int32_t local_size);

  const OpContext& context() const { return context_; }
  int num_threads() const { return threads_->num_threads(); }
  bool is_cuda() const { return context_.device.kind == DeviceKind::kCuda; }
  /// From now on context().tracer collects what is done. Before the context is copied. Throws CudaError.
  void start_trace(const TracerOptions& options);
  /// "cpu", or the GPU's model and libraries: whatever of it decides the last bits of results.
  const std::string& device_name() const { return device_name_; }
  /// The CPU's instruction set as far as results depend on it; "none" on GPUs, where nothing of a row does.
  std::string isa_name() const;
  /// What the bits of keys and values depend on besides model and dtype.
  std::string numerics() const;
  /// One line for the log.
  const std::string& description() const { return description_; }

 private:
  std::unique_ptr<ThreadPool> threads_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<OpState> state_;
  std::unique_ptr<Tracer> tracer_;
  OpContext context_;
  std::string device_name_, description_;
};

}  // namespace lockstep
