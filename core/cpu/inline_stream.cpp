#include "core/cpu/stream_point.h"
#include "core/cpu/streams.h"

#include <exception>
#include <utility>

namespace lockstep::cpu {
namespace {

// Work runs at the call, so a task's exception reaches the caller at once and nothing is ever pending.
class InlineStream final : public Stream::Impl {
 public:
  Device device() const override { return Device::cpu(); }
  void enqueue(std::function<void()> task) override { task(); }
  void wait(const std::shared_ptr<const StreamPoint>& point) override { point->wait(); }
  std::shared_ptr<const StreamPoint> record() override {
    auto point = std::make_shared<LatchPoint>();
    point->reach(nullptr);
    return point;
  }
  void synchronize() override {}
};

}  // namespace

std::unique_ptr<Stream::Impl> make_inline_stream() { return std::make_unique<InlineStream>(); }

}  // namespace lockstep::cpu
