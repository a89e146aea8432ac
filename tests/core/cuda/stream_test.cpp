#include "core/stream.h"

#include "core/error.h"
#include "tests/core/cuda/device.h"

#include <gtest/gtest.h>

namespace lockstep::test {
namespace {

TEST(CudaStream, NamesItsDeviceAndHandle) {
  Stream stream = Stream::cuda(kDevice);
  EXPECT_EQ(stream.device(), kDevice);
  EXPECT_NE(stream.native(), nullptr);
  EXPECT_THROW(stream.enqueue([] {}), Error);
}

TEST(CudaStream, AnEventThatWasNeverRecordedIsReached) {
  const Event event;
  EXPECT_TRUE(event.is_reached());
  event.synchronize();
  Stream stream = Stream::cuda(kDevice);
  stream.wait(event);
  stream.synchronize();
}

// A long copy, and a second stream that must find all of it.
TEST(CudaStream, AStreamWaitsForAnEventOfAnother) {
  constexpr int64_t kBytes = int64_t{16} << 20;
  const PinnedBuffer source = pattern(kBytes, 11), nothing = pattern(kBytes, 12);
  const Buffer first(kBytes, kDevice), second(kBytes, kDevice);
  Stream producer = Stream::cuda(kDevice), consumer = Stream::cuda(kDevice);
  for (int round = 0; round < 5; ++round) {
    copy_async(producer, first.data(), nothing.data(), kBytes);
    producer.synchronize();
    copy_async(producer, first.data(), source.data(), kBytes);
    Event copied;
    copied.record(producer);
    consumer.wait(copied);
    copy_async(consumer, second.data(), first.data(), kBytes);
    EXPECT_TRUE(equal(fetch(consumer, second), source));
    EXPECT_TRUE(copied.is_reached());
  }
}

TEST(CudaStream, AnEventMeansItsLastRecord) {
  const PinnedBuffer source = pattern(1000, 1);
  PinnedBuffer target = pattern(1000, 2);
  const Buffer memory(1000, kDevice);
  Stream stream = Stream::cuda(kDevice);
  Event event;
  event.record(stream);
  copy_async(stream, memory.data(), source.data(), 1000);
  copy_async(stream, target.data(), memory.data(), 1000);
  event.record(stream);
  event.synchronize();
  EXPECT_TRUE(equal(target, source));
}

TEST(CudaStream, ItsEndWaitsForItsWork) {
  const PinnedBuffer source = pattern(4 << 20, 1);
  PinnedBuffer target = pattern(4 << 20, 2);
  const Buffer memory(4 << 20, kDevice);
  {
    Stream stream = Stream::cuda(kDevice);
    copy_async(stream, memory.data(), source.data(), memory.bytes());
    copy_async(stream, target.data(), memory.data(), memory.bytes());
  }
  EXPECT_TRUE(equal(target, source));
}

// A CUDA stream behind the point of a CPU stream: the host puts them in order.
TEST(CudaStream, WaitsForCpuStreams) {
  PinnedBuffer source = pattern(1000, 1);
  const PinnedBuffer expected = pattern(1000, 9);
  const Buffer memory(1000, kDevice);
  Stream host = Stream::async_cpu("test"), stream = Stream::cuda(kDevice);
  host.enqueue([&] { std::memcpy(source.data(), expected.data(), 1000); });
  Event written;
  written.record(host);
  stream.wait(written);
  copy_async(stream, memory.data(), source.data(), 1000);
  EXPECT_TRUE(equal(fetch(stream, memory), expected));
}

}  // namespace
}  // namespace lockstep::test
