#include "core/copy.h"

#include "tests/core/cuda/device.h"

#include <gtest/gtest.h>
#include <numeric>

namespace lockstep::test {
namespace {

TEST(CudaCopy, CarriesEveryByteThereAndBack) {
  Stream stream = Stream::cuda(kDevice);
  for (const int64_t bytes : {1, 3, 4096, 4097, 1'000'003}) {
    const PinnedBuffer source = pattern(bytes, 3);
    const Buffer first(bytes, kDevice), second(bytes, kDevice);
    copy_async(stream, first.data(), source.data(), bytes);
    copy_async(stream, second.data(), first.data(), bytes);
    EXPECT_TRUE(equal(fetch(stream, second), source)) << bytes;
  }
}

TEST(CudaCopy, TouchesNothingBesideItsBytes) {
  Stream stream = Stream::cuda(kDevice);
  const PinnedBuffer before = pattern(300, 1), part = pattern(100, 90);
  const Buffer memory(300, kDevice);
  copy_async(stream, memory.data(), before.data(), 300);
  copy_async(stream, static_cast<std::byte*>(memory.data()) + 101, part.data(), 100);
  copy_async(stream, memory.data(), part.data(), 0);
  const PinnedBuffer after = fetch(stream, memory);
  for (int64_t i = 0; i < 300; ++i) {
    const bool is_new = i >= 101 && i < 201;
    const auto expected = is_new ? part.as<unsigned char>()[i - 101] : before.as<unsigned char>()[i];
    ASSERT_EQ(after.as<unsigned char>()[i], expected) << i;
  }
}

TEST(CudaCopy, CopiesRowsAtTwoPitchesThereAndBack) {
  constexpr int64_t kRows = 37, kWidth = 300, kFromPitch = 4096, kOnDevice = 320, kToPitch = 512;
  Stream stream = Stream::cuda(kDevice);
  const PinnedBuffer source = pattern(kRows * kFromPitch, 3);
  PinnedBuffer target = pattern(kRows * kToPitch, 9);
  const PinnedBuffer before = pattern(kRows * kToPitch, 9);
  const Buffer memory(kRows * kOnDevice, kDevice);
  copy_2d_async(stream, memory.data(), kOnDevice, source.data(), kFromPitch, kWidth, kRows);
  copy_2d_async(stream, target.data(), kToPitch, memory.data(), kOnDevice, kWidth, kRows);
  stream.synchronize();
  for (int64_t at = 0; at < target.bytes(); ++at) {
    const int64_t row = at / kToPitch, column = at % kToPitch;
    const auto expected =
        column < kWidth ? source.as<unsigned char>()[row * kFromPitch + column] : before.as<unsigned char>()[at];
    ASSERT_EQ(target.as<unsigned char>()[at], expected) << row << " " << column;
  }
}

// The caller may use ordinary memory again at once.
TEST(CudaCopy, MemoryThatIsNotPinnedIsReadBeforeTheCallReturns) {
  Stream stream = Stream::cuda(kDevice);
  std::vector<int32_t> values(50'000);
  std::iota(values.begin(), values.end(), 5);
  const auto bytes = static_cast<int64_t>(values.size() * sizeof(int32_t));
  const Buffer memory(bytes, kDevice);
  copy_async(stream, memory.data(), values.data(), bytes);
  std::fill(values.begin(), values.end(), -1);
  copy_async(stream, values.data(), memory.data(), bytes);
  stream.synchronize();
  for (size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], static_cast<int32_t>(i) + 5);
}

}  // namespace
}  // namespace lockstep::test
