// Devices and errors of the emulated runtime. The numbers are those of an H100.
#include "tests/support/cuda_emulation/runtime.h"
#include "tests/support/cuda_emulation/simt.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

using namespace lockstep::emulation;

namespace {

thread_local int device_of_thread = 0;
thread_local cudaError_t last_error = cudaSuccess;

constexpr int kMultiprocessors = 132, kL2Bytes = 50 << 20, kThreadsOfMultiprocessor = 2048;
constexpr int kSharedOfMultiprocessor = 228 * 1024, kSharedWithoutOptin = 48 * 1024, kRegisters = 65536;
constexpr int kClockKilohertz = 1'980'000, kMemoryClockKilohertz = 2'619'000, kMemoryBusBits = 5120;
constexpr int kVersion = 13000;

int num_devices() {
  const char* text = std::getenv("LOCKSTEP_EMULATED_GPUS");
  return text != nullptr ? std::atoi(text) : 1;
}

cudaError_t check_device(int device) {
  if (const cudaError_t status = check_call(); status != cudaSuccess) return status;
  return device >= 0 && device < num_devices() ? cudaSuccess : report(cudaErrorInvalidDevice);
}

struct ErrorWords {
  cudaError_t error;
  const char* name;
  const char* words;
};
constexpr ErrorWords kErrors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {cudaErrorInvalidPitchValue, "cudaErrorInvalidPitchValue", "invalid pitch argument"},
    {cudaErrorInvalidMemcpyDirection, "cudaErrorInvalidMemcpyDirection", "invalid copy direction for memcpy"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorPeerAccessUnsupported, "cudaErrorPeerAccessUnsupported", "peer access is not supported"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorPeerAccessAlreadyEnabled, "cudaErrorPeerAccessAlreadyEnabled", "peer access is already enabled"},
    {cudaErrorHostMemoryAlreadyRegistered, "cudaErrorHostMemoryAlreadyRegistered",
     "part or all of the requested memory range is already mapped"},
    {cudaErrorHostMemoryNotRegistered, "cudaErrorHostMemoryNotRegistered",
     "pointer does not correspond to a registered memory region"},
    {cudaErrorNotPermitted, "cudaErrorNotPermitted", "operation not permitted"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated",
     "operation failed due to a previous error during capture"},
    {cudaErrorStreamCaptureMerge, "cudaErrorStreamCaptureMerge",
     "operation would result in a merge of separate capture sequences"},
    {cudaErrorStreamCaptureUnmatched, "cudaErrorStreamCaptureUnmatched", "capture was not ended in the same stream"},
    {cudaErrorStreamCaptureUnjoined, "cudaErrorStreamCaptureUnjoined", "capturing stream has unjoined work"},
    {cudaErrorStreamCaptureIsolation, "cudaErrorStreamCaptureIsolation",
     "dependency created on uncaptured work in another stream"},
    {cudaErrorStreamCaptureImplicit, "cudaErrorStreamCaptureImplicit",
     "operation would make the legacy stream depend on a capturing blocking stream"},
    {cudaErrorCapturedEvent, "cudaErrorCapturedEvent",
     "operation not permitted on an event last recorded in a capture"},
    {cudaErrorStreamCaptureWrongThread, "cudaErrorStreamCaptureWrongThread",
     "attempt to terminate a thread-local capture sequence from another thread"},
};

const ErrorWords& words_of(cudaError_t error) {
  static constexpr ErrorWords kUnknown = {cudaErrorUnknown, "cudaErrorUnknown", "unknown error"};
  const auto* found =
      std::find_if(std::begin(kErrors), std::end(kErrors), [&](const ErrorWords& each) { return each.error == error; });
  return found == std::end(kErrors) ? kUnknown : *found;
}

}  // namespace

namespace lockstep::emulation {

cudaError_t report(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

int current_device() { return device_of_thread; }

}  // namespace lockstep::emulation

cudaError_t cudaGetDeviceCount(int* count) {
  *count = std::max(num_devices(), 0);
  return *count > 0 ? cudaSuccess : report(cudaErrorNoDevice);
}

cudaError_t cudaSetDevice(int device) {
  const cudaError_t status = check_device(device);
  if (status == cudaSuccess) device_of_thread = device;
  return status;
}

cudaError_t cudaGetDevice(int* device) {
  *device = device_of_thread;
  return check_call();
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (const cudaError_t status = check_device(device); status != cudaSuccess) return status;
  cudaDeviceProp all = {};
  std::snprintf(all.name, sizeof all.name, "emulated CUDA device");
  all.totalGlobalMem = device_bytes();
  all.sharedMemPerBlock = kSharedWithoutOptin;
  all.regsPerBlock = all.regsPerMultiprocessor = kRegisters;
  all.warpSize = warpSize;
  all.maxThreadsPerBlock = 1024;
  all.maxThreadsDim[0] = all.maxThreadsDim[1] = 1024;
  all.maxThreadsDim[2] = 64;
  all.maxGridSize[0] = 0x7fffffff;
  all.maxGridSize[1] = all.maxGridSize[2] = 65535;
  all.major = 9;
  all.multiProcessorCount = kMultiprocessors;
  all.canMapHostMemory = all.concurrentKernels = all.unifiedAddressing = 1;
  all.pciBusID = device + 1;
  all.asyncEngineCount = 3;
  all.memoryBusWidth = kMemoryBusBits;
  all.l2CacheSize = kL2Bytes;
  all.maxThreadsPerMultiProcessor = kThreadsOfMultiprocessor;
  all.sharedMemPerMultiprocessor = kSharedOfMultiprocessor;
  all.sharedMemPerBlockOptin = kMaxSharedBytes;
  *properties = all;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (const cudaError_t status = check_device(device); status != cudaSuccess) return status;
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock: *value = 1024; return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = kSharedWithoutOptin; return cudaSuccess;
    case cudaDevAttrWarpSize: *value = warpSize; return cudaSuccess;
    case cudaDevAttrClockRate: *value = kClockKilohertz; return cudaSuccess;
    case cudaDevAttrMultiProcessorCount: *value = kMultiprocessors; return cudaSuccess;
    case cudaDevAttrPciBusId: *value = device + 1; return cudaSuccess;
    case cudaDevAttrPciDeviceId:
    case cudaDevAttrPciDomainId: *value = 0; return cudaSuccess;
    case cudaDevAttrMemoryClockRate: *value = kMemoryClockKilohertz; return cudaSuccess;
    case cudaDevAttrGlobalMemoryBusWidth: *value = kMemoryBusBits; return cudaSuccess;
    case cudaDevAttrL2CacheSize: *value = kL2Bytes; return cudaSuccess;
    case cudaDevAttrMaxThreadsPerMultiProcessor: *value = kThreadsOfMultiprocessor; return cudaSuccess;
    case cudaDevAttrUnifiedAddressing: *value = 1; return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor: *value = 9; return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor: *value = 0; return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *value = kSharedOfMultiprocessor; return cudaSuccess;
    case cudaDevAttrCooperativeLaunch: *value = 0; return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = static_cast<int>(kMaxSharedBytes); return cudaSuccess;
    case cudaDevAttrMaxBlocksPerMultiprocessor: *value = 32; return cudaSuccess;
    case cudaDevAttrMemoryPoolsSupported: *value = 0; return cudaSuccess;
  }
  return report(cudaErrorInvalidValue);
}

cudaError_t cudaDeviceGetPCIBusId(char* id, int length, int device) {
  if (const cudaError_t status = check_device(device); status != cudaSuccess) return status;
  const int written = std::snprintf(id, static_cast<size_t>(length), "0000:%02X:00.0", device + 1);
  return written < length ? cudaSuccess : report(cudaErrorInvalidValue);
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return check_call();
}

cudaError_t cudaDeviceCanAccessPeer(int* can_access, int device, int peer) {
  if (const cudaError_t status = check_device(device); status != cudaSuccess) return status;
  if (const cudaError_t status = check_device(peer); status != cudaSuccess) return status;
  *can_access = device != peer ? 1 : 0;
  return cudaSuccess;
}

cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned int) {
  if (const cudaError_t status = check_device(peer); status != cudaSuccess) return status;
  if (peer == device_of_thread) return report(cudaErrorInvalidDevice);
  const Lock lock(runtime().mutex);
  const bool is_new = runtime().peers.emplace(device_of_thread, peer).second;
  return is_new ? cudaSuccess : report(cudaErrorPeerAccessAlreadyEnabled);
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = num_devices() > 0 ? kVersion : 0;  // 0: no driver is there
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = kVersion;
  return cudaSuccess;
}

cudaError_t cudaGetLastError() {
  const cudaError_t error = last_error;
  last_error = cudaSuccess;
  return error;
}

cudaError_t cudaPeekAtLastError() { return last_error; }
const char* cudaGetErrorString(cudaError_t error) { return words_of(error).words; }
const char* cudaGetErrorName(cudaError_t error) { return words_of(error).name; }
