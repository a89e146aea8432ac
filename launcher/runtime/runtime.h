// What a rank computes with: device, cores, threads, instruction set. Resolves "auto" and says what it chose and why.
#pragma once

#include "core/settings/engine_settings.h"
#include "core/stream.h"
#include "core/thread_pool.h"
#include "dist/communicator.h"
#include "kernels/context.h"

#include <memory>

namespace lockstep {

/// Owner of everything that an OpContext points to.
class Runtime {
 public:
  /// Ranks: collective over `world` (the instruction set is the lowest over all ranks).
  /// Throws: ConfigError for a device or instruction set that this machine or build does not have.
  Runtime(const RuntimeSettings& settings, Communicator& world, int32_t local_rank, int32_t local_size);

  const OpContext& context() const { return context_; }
  int num_threads() const { return threads_->num_threads(); }
  const std::string& device_name() const { return device_name_; }
  /// One line for the log.
  const std::string& description() const { return description_; }

 private:
  std::unique_ptr<ThreadPool> threads_;
  Stream stream_;
  OpContext context_;
  std::string device_name_, description_;
};

}  // namespace lockstep
