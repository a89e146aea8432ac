#include "core/cuda/stream.h"

#include "core/cuda/check.h"

#include <utility>

namespace lockstep::cuda {
namespace {

// A thread that never chose a device is on device 0, and CUDA would set that one up for it: streams of other devices
// are used by several threads.
void use(Device device) { LS_CUDA(cudaSetDevice(device.ordinal)); }

class CudaPoint final : public StreamPoint {
 public:
  CudaPoint(cudaStream_t stream, Device device) : device_(device) {
    use(device);
    LS_CUDA(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming));
    LS_CUDA(cudaEventRecord(event_, stream));
  }
  ~CudaPoint() override { cudaEventDestroy(event_); }
  CudaPoint(const CudaPoint&) = delete;
  CudaPoint& operator=(const CudaPoint&) = delete;

  bool is_reached() const override {
    use(device_);
    const cudaError_t status = cudaEventQuery(event_);
    if (status == cudaErrorNotReady) return false;
    LS_CUDA(status);
    return true;
  }
  void wait() const override {
    use(device_);
    LS_CUDA(cudaEventSynchronize(event_));
  }
  cudaEvent_t event() const { return event_; }

 private:
  Device device_;
  cudaEvent_t event_ = nullptr;
};

class CudaStream final : public Stream::Impl {
 public:
  explicit CudaStream(Device device) : device_(device) {
    use(device);
    LS_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
  }
  ~CudaStream() override {
    cudaStreamSynchronize(stream_);
    cudaStreamDestroy(stream_);
  }
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;

  Device device() const override { return device_; }
  void enqueue(std::function<void()>) override {
    LS_THROW(Error, "host work on a CUDA stream of {}: enqueue kernels and copies on native()", device_.to_string());
  }
  void wait(const std::shared_ptr<const StreamPoint>& point) override {
    if (const auto* cuda_point = dynamic_cast<const CudaPoint*>(point.get())) {
      use(device_);
      LS_CUDA(cudaStreamWaitEvent(stream_, cuda_point->event(), 0));
    } else {
      point->wait();  // a CPU stream's point: the host orders them
    }
  }
  std::shared_ptr<const StreamPoint> record() override { return std::make_shared<CudaPoint>(stream_, device_); }
  void synchronize() override { LS_CUDA(cudaStreamSynchronize(stream_)); }
  void* native() const override { return stream_; }

 private:
  Device device_;
  cudaStream_t stream_ = nullptr;
};

}  // namespace

std::unique_ptr<Stream::Impl> make_stream(Device device) { return std::make_unique<CudaStream>(device); }

void copy_async(Stream& stream, void* to, const void* from, int64_t bytes) {
  use(stream.device());
  LS_CUDA(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDefault,
                          static_cast<cudaStream_t>(stream.native())));
}

void copy_2d_async(Stream& stream, void* to, int64_t to_pitch, const void* from, int64_t from_pitch, int64_t width,
                   int64_t rows) {
  use(stream.device());
  LS_CUDA(cudaMemcpy2DAsync(to, static_cast<size_t>(to_pitch), from, static_cast<size_t>(from_pitch),
                            static_cast<size_t>(width), static_cast<size_t>(rows), cudaMemcpyDefault,
                            static_cast<cudaStream_t>(stream.native())));
}

}  // namespace lockstep::cuda
