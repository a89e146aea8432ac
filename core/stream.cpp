#include "core/stream.h"

#include "core/cpu/streams.h"
#include "core/cuda_api.h"
#include "core/error.h"
#include "core/stream_impl.h"

#include <utility>

namespace lockstep {

Stream::Stream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Stream::Stream(Stream&&) noexcept = default;
Stream& Stream::operator=(Stream&&) noexcept = default;
Stream::~Stream() = default;

Stream Stream::inline_cpu() { return Stream(cpu::make_inline_stream()); }
Stream Stream::async_cpu(const std::string& name) { return Stream(cpu::make_async_stream(name)); }
Stream Stream::cuda(Device device) { return Stream(cuda_core().make_stream(device)); }

Device Stream::device() const { return impl_->device(); }
void Stream::enqueue(std::function<void()> task) { impl_->enqueue(std::move(task)); }
void Stream::synchronize() { impl_->synchronize(); }
void* Stream::native() const { return impl_->native(); }

struct Event::Impl {
  std::shared_ptr<const StreamPoint> point;  // null until recorded
};

Event::Event() : impl_(std::make_unique<Impl>()) {}
Event::Event(Event&&) noexcept = default;
Event& Event::operator=(Event&&) noexcept = default;
Event::~Event() = default;

void Event::record(Stream& stream) { impl_->point = stream.impl_->record(); }
bool Event::is_reached() const { return !impl_->point || impl_->point->is_reached(); }
void Event::synchronize() const {
  if (impl_->point) impl_->point->wait();
}

void Stream::wait(const Event& event) {
  if (event.impl_->point) impl_->wait(event.impl_->point);
}

}  // namespace lockstep
