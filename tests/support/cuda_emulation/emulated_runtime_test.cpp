// The emulated runtime does what the tests of CUDA code rely on: lazy streams that show a missing synchronisation,
// events, capture and graphs, and the refusals of the real one.
#include "tests/support/cuda_emulation/include/cuda_runtime.h"

#include <cstdlib>
#include <gtest/gtest.h>
#include <numeric>
#include <string>
#include <vector>

namespace {

#define EXPECT_DONE(call) EXPECT_EQ(call, cudaSuccess)

/// Device memory and a stream, and the environment as it was.
class EmulatedRuntime : public testing::Test {
 protected:
  EmulatedRuntime() {
    EXPECT_DONE(cudaMalloc(&data_, 64 * sizeof(int)));
    EXPECT_DONE(cudaMemset(data_, 0, 64 * sizeof(int)));
    EXPECT_DONE(cudaDeviceSynchronize());
    for (cudaStream_t* stream : {&stream_, &other_}) {
      EXPECT_DONE(cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking));
    }
    EXPECT_DONE(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming));
    EXPECT_DONE(cudaEventCreateWithFlags(&other_event_, cudaEventDisableTiming));
  }
  ~EmulatedRuntime() override {
    for (const char* name : {"LOCKSTEP_EMULATED_GPUS", "LOCKSTEP_EMULATED_MEMORY", "LOCKSTEP_EMULATED_STREAMS"}) {
      unsetenv(name);
    }
    EXPECT_DONE(cudaSetDevice(0));
    EXPECT_DONE(cudaEventDestroy(event_));
    EXPECT_DONE(cudaEventDestroy(other_event_));
    EXPECT_DONE(cudaStreamDestroy(stream_));
    EXPECT_DONE(cudaStreamDestroy(other_));
    EXPECT_DONE(cudaFree(data_));
    cudaGetLastError();
  }

  /// Appends value to what data_ holds as decimal digits: shows order as well as number.
  static cudaError_t append(cudaStream_t stream, int* data, int digit);
  /// Looks without synchronising, which only the emulation lets a test do.
  int now() const { return data_[0]; }

  int* data_ = nullptr;
  cudaStream_t stream_ = nullptr, other_ = nullptr;
  cudaEvent_t event_ = nullptr, other_event_ = nullptr;
};

__global__ void append_kernel(int* data, int digit) { data[0] = data[0] * 10 + digit; }

cudaLaunchConfig_t config_of(dim3 grid, dim3 block, size_t shared, cudaStream_t stream) {
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared;
  config.stream = stream;
  return config;
}

cudaError_t EmulatedRuntime::append(cudaStream_t stream, int* data, int digit) {
  const cudaLaunchConfig_t config = config_of(1, 1, 0, stream);
  return cudaLaunchKernelEx(&config, append_kernel, data, digit);
}

TEST_F(EmulatedRuntime, WorkRunsWhenSynchronised) {
  int digit = 4;
  EXPECT_DONE(append(stream_, data_, digit));
  digit = 5;
  EXPECT_EQ(now(), 0);
  EXPECT_DONE(cudaStreamSynchronize(other_));
  EXPECT_EQ(now(), 0);
  EXPECT_DONE(cudaStreamSynchronize(stream_));
  EXPECT_EQ(now(), 4);
  setenv("LOCKSTEP_EMULATED_STREAMS", "eager", 1);
  EXPECT_DONE(append(stream_, data_, digit));
  EXPECT_EQ(now(), 45);
}

TEST_F(EmulatedRuntime, PinnedMemoryIsReadWhenTheCopyRunsPageableAtTheCall) {
  int* pinned = nullptr;
  EXPECT_DONE(cudaMallocHost(&pinned, sizeof(int)));
  int pageable = 1;
  *pinned = 1;
  EXPECT_DONE(cudaMemcpyAsync(data_, pinned, sizeof(int), cudaMemcpyHostToDevice, stream_));
  EXPECT_DONE(cudaMemcpyAsync(data_ + 1, &pageable, sizeof(int), cudaMemcpyHostToDevice, stream_));
  *pinned = pageable = 2;
  int out[2] = {};
  EXPECT_DONE(cudaMemcpyAsync(&out[0], data_, sizeof out, cudaMemcpyDeviceToHost, stream_));  // pageable: waits
  EXPECT_EQ(out[0], 2);
  EXPECT_EQ(out[1], 1);
  EXPECT_DONE(cudaMemcpyAsync(pinned, data_ + 1, sizeof(int), cudaMemcpyDeviceToHost, stream_));
  EXPECT_EQ(*pinned, 2);
  EXPECT_DONE(cudaStreamQuery(stream_));
  EXPECT_EQ(*pinned, 1);
  EXPECT_DONE(cudaFreeHost(pinned));
}

TEST_F(EmulatedRuntime, CopiesOfTwoDimensions) {
  std::vector<int> in(12), out(12);
  std::iota(in.begin(), in.end(), 0);
  EXPECT_DONE(cudaMemcpy2DAsync(data_, 20, in.data(), 16, 12, 3, cudaMemcpyHostToDevice, stream_));
  EXPECT_DONE(cudaMemcpy2DAsync(out.data(), 16, data_, 20, 12, 3, cudaMemcpyDeviceToHost, stream_));
  EXPECT_EQ(out, (std::vector<int>{0, 1, 2, 0, 4, 5, 6, 0, 8, 9, 10, 0}));
}

TEST_F(EmulatedRuntime, EventsOrderStreams) {
  EXPECT_DONE(append(stream_, data_, 1));
  EXPECT_DONE(cudaEventRecord(event_, stream_));
  EXPECT_DONE(append(stream_, data_, 9));  // behind the event
  EXPECT_DONE(cudaStreamWaitEvent(other_, event_));
  EXPECT_DONE(append(other_, data_, 2));
  EXPECT_DONE(cudaEventRecord(other_event_, other_));
  EXPECT_DONE(cudaEventSynchronize(event_));
  EXPECT_EQ(now(), 1);
  EXPECT_DONE(cudaEventQuery(other_event_));
  EXPECT_EQ(now(), 12);
  EXPECT_DONE(cudaDeviceSynchronize());
  EXPECT_EQ(now(), 129);
}

TEST_F(EmulatedRuntime, BlockingStreamsAndTheLegacyStreamWaitForEachOther) {
  cudaStream_t blocking = nullptr;
  EXPECT_DONE(cudaStreamCreate(&blocking));
  EXPECT_DONE(append(blocking, data_, 1));
  EXPECT_DONE(append(nullptr, data_, 2));
  EXPECT_DONE(append(blocking, data_, 3));
  EXPECT_DONE(append(stream_, data_, 4));
  EXPECT_DONE(cudaStreamSynchronize(blocking));
  EXPECT_EQ(now(), 123);
  EXPECT_DONE(cudaStreamDestroy(blocking));
}

TEST_F(EmulatedRuntime, HostFunctionsRunInOrderAndMayNotCall) {
  EXPECT_DONE(append(stream_, data_, 1));
  EXPECT_DONE(cudaLaunchHostFunc(
      stream_,
      [](void* data) {
        *static_cast<int*>(data) += 100;
        EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorNotPermitted);
      },
      data_));
  EXPECT_EQ(now(), 0);
  EXPECT_DONE(cudaStreamSynchronize(stream_));
  EXPECT_EQ(now(), 101);
}

TEST_F(EmulatedRuntime, GraphsReplayWhatTwoStreamsRecorded) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  EXPECT_DONE(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
  EXPECT_DONE(append(stream_, data_, 1));
  EXPECT_DONE(cudaEventRecord(event_, stream_));
  EXPECT_DONE(cudaStreamWaitEvent(other_, event_));
  EXPECT_DONE(append(other_, data_, 2));
  EXPECT_DONE(cudaEventRecord(other_event_, other_));
  EXPECT_DONE(cudaStreamWaitEvent(stream_, other_event_));
  EXPECT_DONE(append(stream_, data_, 3));
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  EXPECT_DONE(cudaStreamIsCapturing(other_, &status));
  EXPECT_EQ(status, cudaStreamCaptureStatusActive);
  EXPECT_DONE(cudaStreamEndCapture(stream_, &graph));
  EXPECT_DONE(cudaStreamSynchronize(stream_));
  EXPECT_DONE(cudaStreamSynchronize(other_));
  EXPECT_EQ(now(), 0);
  EXPECT_DONE(cudaGraphInstantiate(&executable, graph));
  EXPECT_DONE(cudaGraphDestroy(graph));
  EXPECT_DONE(cudaGraphLaunch(executable, other_));
  EXPECT_DONE(cudaGraphLaunch(executable, other_));
  EXPECT_EQ(now(), 0);
  EXPECT_DONE(cudaStreamSynchronize(other_));
  EXPECT_EQ(now(), 123123);
  EXPECT_DONE(cudaGraphExecDestroy(executable));
}

TEST_F(EmulatedRuntime, GraphsShowAMissingJoinAndAMissingOrder) {
  cudaGraph_t graph = nullptr;
  EXPECT_DONE(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
  EXPECT_DONE(cudaEventRecord(event_, stream_));
  EXPECT_DONE(cudaStreamWaitEvent(other_, event_));
  EXPECT_DONE(append(other_, data_, 1));
  EXPECT_EQ(cudaStreamEndCapture(stream_, &graph), cudaErrorStreamCaptureUnjoined);
  EXPECT_EQ(graph, nullptr);

  // The other stream's work is called for first, but nothing makes this stream's wait for it.
  EXPECT_DONE(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
  EXPECT_DONE(cudaEventRecord(event_, stream_));
  EXPECT_DONE(cudaStreamWaitEvent(other_, event_));
  EXPECT_DONE(append(other_, data_, 1));
  EXPECT_DONE(append(stream_, data_, 2));
  EXPECT_DONE(cudaEventRecord(other_event_, other_));
  EXPECT_DONE(cudaStreamWaitEvent(stream_, other_event_));
  EXPECT_DONE(append(stream_, data_, 3));
  EXPECT_DONE(cudaStreamEndCapture(stream_, &graph));
  cudaGraphExec_t executable = nullptr;
  EXPECT_DONE(cudaGraphInstantiate(&executable, graph));
  EXPECT_DONE(cudaGraphLaunch(executable, stream_));
  EXPECT_DONE(cudaStreamSynchronize(stream_));
  EXPECT_EQ(now(), 213);
  EXPECT_DONE(cudaGraphExecDestroy(executable));
  EXPECT_DONE(cudaGraphDestroy(graph));
}

TEST_F(EmulatedRuntime, CaptureForbidsWhatItForbids) {
  cudaGraph_t graph = nullptr;
  void* more = nullptr;
  const auto spoil = [&](cudaError_t expected, auto&& call) {
    EXPECT_DONE(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal));
    EXPECT_EQ(call(), expected);
    EXPECT_EQ(cudaStreamEndCapture(stream_, &graph), cudaErrorStreamCaptureInvalidated);
  };
  spoil(cudaErrorStreamCaptureUnsupported, [&] { return cudaStreamSynchronize(stream_); });
  spoil(cudaErrorStreamCaptureUnsupported, [&] { return cudaStreamQuery(stream_); });
  spoil(cudaErrorStreamCaptureUnsupported, [&] { return cudaDeviceSynchronize(); });
  spoil(cudaErrorStreamCaptureUnsupported, [&] { return cudaMalloc(&more, 8); });
  EXPECT_DONE(cudaEventRecord(event_, other_));
  spoil(cudaErrorStreamCaptureUnsupported, [&] { return cudaEventQuery(event_); });
  spoil(cudaErrorStreamCaptureIsolation, [&] { return cudaStreamWaitEvent(stream_, event_); });
  EXPECT_DONE(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal));
  cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
  EXPECT_DONE(cudaThreadExchangeStreamCaptureMode(&mode));
  EXPECT_DONE(cudaMalloc(&more, 8));
  EXPECT_DONE(cudaThreadExchangeStreamCaptureMode(&mode));
  EXPECT_EQ(mode, cudaStreamCaptureModeRelaxed);
  EXPECT_DONE(cudaStreamEndCapture(stream_, &graph));
  EXPECT_DONE(cudaGraphDestroy(graph));
  EXPECT_DONE(cudaFree(more));
}

TEST_F(EmulatedRuntime, LaunchesBeyondTheLimitsAreRefused) {
  const auto launch = [&](dim3 grid, dim3 block, size_t shared) {
    const cudaLaunchConfig_t config = config_of(grid, block, shared, stream_);
    return cudaLaunchKernelEx(&config, append_kernel, data_, 1);
  };
  EXPECT_EQ(launch(1, 1025, 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch(1, dim3(32, 32, 2), 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch(0, 1, 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch(dim3(1, 65536), 1, 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launch(1, 1, 227 * 1024 + 1), cudaErrorInvalidConfiguration);
  EXPECT_EQ(cudaPeekAtLastError(), cudaErrorInvalidConfiguration);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidConfiguration);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  EXPECT_EQ(launch(1, 1, 100 * 1024), cudaErrorInvalidValue);
  EXPECT_DONE(cudaFuncSetAttribute(append_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 100 * 1024));
  EXPECT_DONE(launch(1, 1, 100 * 1024));
  EXPECT_DONE(cudaStreamSynchronize(stream_));
  EXPECT_EQ(now(), 1);
}

TEST_F(EmulatedRuntime, MemoryHasBoundsAndALimit) {
  setenv("LOCKSTEP_EMULATED_MEMORY", "100000", 1);
  void *big = nullptr, *rest = nullptr;
  EXPECT_DONE(cudaMalloc(&big, 90'000));
  EXPECT_EQ(cudaMalloc(&rest, 20'000), cudaErrorMemoryAllocation);
  size_t free_bytes = 0, total_bytes = 0;
  EXPECT_DONE(cudaMemGetInfo(&free_bytes, &total_bytes));
  EXPECT_EQ(total_bytes, 100'000U);
  EXPECT_EQ(free_bytes, 10'000U - 64 * sizeof(int));
  EXPECT_EQ(static_cast<unsigned char*>(big)[89'999], 0xff);
  char host[8] = {};
  EXPECT_EQ(cudaMemcpy(static_cast<char*>(big) + 89'996, &host[0], 8, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpy(&host[0], &host[4], 4, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemsetAsync(&host[0], 0, 8, stream_), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFree(&host[0]), cudaErrorInvalidValue);
  EXPECT_DONE(cudaFree(big));
}

TEST_F(EmulatedRuntime, DevicesAreAsManyAsTheEnvironmentSays) {
  setenv("LOCKSTEP_EMULATED_GPUS", "2", 1);
  EXPECT_DONE(cudaSetDevice(1));
  EXPECT_EQ(cudaSetDevice(2), cudaErrorInvalidDevice);
  EXPECT_EQ(append(stream_, data_, 1), cudaErrorInvalidResourceHandle);  // a stream of device 0
  cudaDeviceProp properties = {};
  EXPECT_DONE(cudaGetDeviceProperties(&properties, 1));
  EXPECT_EQ(properties.multiProcessorCount, 132);
  char id[16];
  EXPECT_DONE(cudaDeviceGetPCIBusId(&id[0], sizeof id, 1));
  EXPECT_EQ(std::string(id), "0000:02:00.0");
  setenv("LOCKSTEP_EMULATED_GPUS", "0", 1);
  int count = -1;
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorNoDevice);
  EXPECT_EQ(count, 0);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorNoDevice);
}

}  // namespace
