// What the bodies of Stream and Event implement. Private to core/.
#pragma once

#include "core/stream.h"

#include <memory>

namespace lockstep {

/// A recorded point of a stream: reached once, with the failure of the work before it, if any.
class StreamPoint {
 public:
  virtual ~StreamPoint() = default;
  virtual bool is_reached() const = 0;
  /// Blocks; rethrows the failure.
  virtual void wait() const = 0;
};

struct Stream::Impl {
  virtual ~Impl() = default;
  virtual Device device() const = 0;
  virtual void enqueue(std::function<void()> task) = 0;
  virtual void wait(const std::shared_ptr<const StreamPoint>& point) = 0;
  virtual std::shared_ptr<const StreamPoint> record() = 0;
  virtual void synchronize() = 0;
  virtual void* native() const { return nullptr; }
};

}  // namespace lockstep
