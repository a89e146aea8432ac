#include "core/graph.h"

#include "core/error.h"
#include "tests/core/cuda/device.h"

#include <gtest/gtest.h>
#include <stdexcept>

namespace lockstep::test {
namespace {

TEST(CudaGraph, RunsAtEveryLaunchAndNotBefore) {
  constexpr int64_t kBytes = 5000;
  Stream stream = Stream::cuda(kDevice);
  PinnedBuffer source = pattern(kBytes, 1);
  const Buffer first(kBytes, kDevice), second(kBytes, kDevice);
  const PinnedBuffer before = pattern(kBytes, 77);
  copy_async(stream, second.data(), before.data(), kBytes);
  stream.synchronize();

  Graph graph = Graph::capture(stream, [&] {
    copy_async(stream, first.data(), source.data(), kBytes);
    copy_async(stream, second.data(), first.data(), kBytes);
  });
  EXPECT_TRUE(equal(fetch(stream, second), before));
  for (const int seed : {1, 2, 3}) {
    const PinnedBuffer next = pattern(kBytes, seed);
    std::memcpy(source.data(), next.data(), kBytes);
    graph.launch(stream);
    EXPECT_TRUE(equal(fetch(stream, second), next)) << seed;
  }
}

TEST(CudaGraph, LaunchesKeepTheOrderOfTheStream) {
  Stream stream = Stream::cuda(kDevice);
  const PinnedBuffer a = pattern(64, 1), b = pattern(64, 2);
  const Buffer memory(64, kDevice);
  Graph graph = Graph::capture(stream, [&] { copy_async(stream, memory.data(), a.data(), 64); });
  Graph moved = std::move(graph);
  moved.launch(stream);
  copy_async(stream, memory.data(), b.data(), 64);
  EXPECT_TRUE(equal(fetch(stream, memory), b));
  moved.launch(stream);
  EXPECT_TRUE(equal(fetch(stream, memory), a));
}

TEST(CudaGraph, ARecordingThatFailsLeavesTheStreamAsItWas) {
  Stream stream = Stream::cuda(kDevice);
  const PinnedBuffer a = pattern(64, 1), b = pattern(64, 2);
  const Buffer memory(64, kDevice);
  copy_async(stream, memory.data(), a.data(), 64);
  const auto fails = [&] {
    copy_async(stream, memory.data(), b.data(), 64);
    throw std::logic_error("no");
  };
  EXPECT_THROW(Graph::capture(stream, fails), std::logic_error);
  EXPECT_THROW(Graph::capture(stream, [&] { stream.synchronize(); }), CudaError);
  EXPECT_TRUE(equal(fetch(stream, memory), a));
  Graph graph = Graph::capture(stream, [&] { copy_async(stream, memory.data(), b.data(), 64); });
  graph.launch(stream);
  EXPECT_TRUE(equal(fetch(stream, memory), b));
}

}  // namespace
}  // namespace lockstep::test
