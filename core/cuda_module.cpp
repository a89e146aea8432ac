#include "core/cuda_module.h"

#include "core/cuda_api.h"
#include "core/error.h"

#include <atomic>
#include <cstdlib>
#include <dlfcn.h>
#include <filesystem>
#include <fmt/format.h>
#include <string_view>
#include <vector>

namespace lockstep {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFileName = "liblockstep_cuda.so";

std::atomic<bool> is_loaded{false};

struct Module {
  void* handle = nullptr;
  CudaStatus status;
};

std::vector<fs::path> places() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
  return {program / ".." / LOCKSTEP_MODULE_FOLDER / kFileName, program / kFileName, program / ".." / "lib" / kFileName,
          fs::path(LOCKSTEP_INSTALLED_MODULE_FOLDER) / kFileName};
}

std::string last_error() {
  const char* const text = dlerror();
  return text != nullptr ? text : "unknown error";
}

// Opens `file` and asks whether it was built with this program: the tables hold C++ types of ours.
void load(Module& module, const fs::path& file) {
  CudaStatus& status = module.status;
  status.state = CudaState::kNoModule;
  void* const handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    status.reason = fmt::format("the CUDA module cannot be loaded: {}", last_error());
    return;
  }
  const auto* const abi = static_cast<const char* const*>(dlsym(handle, "lockstep_cuda_abi"));
  if (abi == nullptr || std::string_view(*abi) != LOCKSTEP_MODULE_ABI) {
    status.reason = fmt::format("{} belongs to another build of lockstep ({}; this program needs {})", file.string(),
                                abi == nullptr ? "unnamed" : *abi, LOCKSTEP_MODULE_ABI);
    return;
  }
  module.handle = handle;
  is_loaded = true;
}

void count_devices(CudaStatus& status) {
  std::string why_not;
  status.num_devices = cuda_core().device_count(&why_not);
  status.state = status.num_devices > 0 ? CudaState::kReady : CudaState::kNoDevice;
  status.reason = status.num_devices > 0
                      ? fmt::format("{} CUDA device{}", status.num_devices, status.num_devices == 1 ? "" : "s")
                      : fmt::format("the driver offers no usable GPU: {}", why_not);
}

Module find_module() {
  Module module;
  if (const char* const named = std::getenv("LOCKSTEP_CUDA_MODULE"); named != nullptr && *named != '\0') {
    load(module, named);
    return module;
  }
  // Never unloaded: the module's own copy of the driver would go with it.
  if (dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL) == nullptr) {
    module.status = {CudaState::kNoDriver, "this machine has no CUDA driver (libcuda.so.1)", 0};
    return module;
  }
  for (const fs::path& file : places()) {
    if (!fs::exists(file)) continue;
    load(module, file);
    return module;
  }
  module.status = {
      CudaState::kNoModule,
      fmt::format("a CUDA driver is here, but not the CUDA module {} (looked beside the program and in {})", kFileName,
                  LOCKSTEP_INSTALLED_MODULE_FOLDER),
      0};
  return module;
}

const Module& module() {
  static const Module found = find_module();
  return found;
}

}  // namespace

bool cuda_is_loaded() { return is_loaded; }

const void* cuda_table(const char* symbol) {
  LS_REQUIRE(NotCompiled, module().handle != nullptr, "no CUDA: {}; run this rank on the CPU (device = cpu)",
             module().status.reason);
  const void* const table = dlsym(module().handle, symbol);
  LS_REQUIRE(NotCompiled, table != nullptr, "the CUDA module has no {}: {}", symbol, last_error());
  return table;
}

const CudaStatus& cuda_status() {
  static const CudaStatus status = [] {
    CudaStatus found = module().status;
    if (module().handle != nullptr) count_devices(found);
    return found;
  }();
  return status;
}

const CudaCoreApi& cuda_core() {
  static const auto* const table = static_cast<const CudaCoreApi*>(cuda_table("lockstep_cuda_core"));
  return *table;
}

}  // namespace lockstep
