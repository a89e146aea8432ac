// Device and page-locked memory: exact accounts, and what is said when there is none left. Runs with the arena and,
// under LOCKSTEP_CUDA_ARENA=off, without.
#include "core/cuda_api.h"
#include "core/error.h"
#include "tests/core/cuda/device.h"
#include "tests/support/expect_throw.h"

#include <cstdlib>
#include <gtest/gtest.h>
#include <optional>
#include <string_view>

namespace lockstep::test {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

bool has_arena() {
  const char* const text = std::getenv("LOCKSTEP_CUDA_ARENA");
  return text == nullptr || std::string_view(text) != "off";
}

int64_t held() { return allocated_bytes(DeviceKind::kCuda); }
int64_t free_bytes() { return cuda_core().device_info(kDevice).free_bytes; }

TEST(CudaArena, CountsTheBytesThatWereAskedFor) {
  const int64_t before = held();
  {
    const Buffer odd(1001, kDevice), large(3 * kMiB, kDevice);
    EXPECT_EQ(held(), before + 1001 + 3 * kMiB);
    EXPECT_GE(peak_allocated_bytes(DeviceKind::kCuda), before + 1001 + 3 * kMiB);
  }
  EXPECT_EQ(held(), before);
  EXPECT_GE(peak_allocated_bytes(DeviceKind::kCuda), before + 1001 + 3 * kMiB);
}

TEST(CudaArena, PiecesAreAlignedAndApart) {
  std::vector<Buffer> pieces;
  for (const int64_t bytes : {1, 511, 512, 513, 100'000, 3, 7}) {
    Buffer& piece = pieces.emplace_back(bytes, kDevice);
    constexpr uintptr_t kPromised = 256;  // by CUDA, of its own blocks
    EXPECT_EQ(reinterpret_cast<uintptr_t>(piece.data()) % kPromised, 0U) << bytes;
  }
  for (size_t i = 0; i < pieces.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const auto *a = static_cast<std::byte*>(pieces[i].data()), *b = static_cast<std::byte*>(pieces[j].data());
      EXPECT_TRUE(a + pieces[i].bytes() <= b || b + pieces[j].bytes() <= a) << i << " and " << j;
    }
  }
}

// With the arena a freed piece is the next one of its size, and freed neighbours are one piece; without it the device
// has its memory back at once.
TEST(CudaArena, FreedMemoryIsUsedAgain) {
  std::optional<Buffer> first(std::in_place, kMiB, kDevice), second(std::in_place, kMiB, kDevice);
  const Buffer third(kMiB, kDevice);
  auto* const begin = std::min(first->data(), second->data());
  const int64_t free_before = free_bytes();
  first.reset();
  second.reset();
  EXPECT_GE(free_bytes(), free_before + 2 * kMiB);
  const Buffer both(2 * kMiB, kDevice);
  if (has_arena()) {
    EXPECT_EQ(both.data(), begin);
  }
  EXPECT_EQ(free_bytes(), free_before);
}

// More than half of the device, twice: what is free goes back to CUDA before a request is refused.
TEST(CudaArena, FreeBlocksMakeRoomForALargerOne) {
  const int64_t available = free_bytes();
  { const Buffer most(available / 10 * 6, kDevice); }
  const Buffer more(available / 10 * 7, kDevice);
  EXPECT_NE(more.data(), nullptr);
}

TEST(CudaArena, ARequestThatDoesNotFitNamesTheFigures) {
  const Buffer mine(5000, kDevice);
  const int64_t before = held(), total = cuda_core().device_info(kDevice).total_bytes, wanted = 2 * total + 1;
  testing_support::expect_throw<OutOfMemory>(
      [&] { Buffer(wanted, kDevice); }, {std::to_string(wanted), "cuda:0", "holds " + std::to_string(before) + " bytes",
                                         "in reserve", "of " + std::to_string(total) + " bytes free"});
  EXPECT_EQ(held(), before);
  try {
    Buffer(wanted, kDevice);
  } catch (const OutOfMemory& error) {
    EXPECT_EQ(error.bytes(), wanted);
  }
  const Buffer next(kMiB, kDevice);  // the refusal broke nothing
  EXPECT_EQ(held(), before + kMiB);
}

TEST(CudaArena, FillZeroHasHappenedWhenItReturns) {
  Stream stream = Stream::cuda(kDevice);
  Buffer buffer(10'001, kDevice);
  const PinnedBuffer noise = pattern(buffer.bytes(), 1);
  copy_async(stream, buffer.data(), noise.data(), buffer.bytes());
  stream.synchronize();
  buffer.fill_zero();
  const PinnedBuffer bytes = fetch(stream, buffer);
  for (int64_t i = 0; i < bytes.bytes(); ++i) ASSERT_EQ(bytes.as<unsigned char>()[i], 0) << i;
}

TEST(CudaPinned, CountsItsBytes) {
  const int64_t before = pinned_bytes();
  {
    PinnedBuffer one(1001, kDevice);
    EXPECT_EQ(pinned_bytes(), before + 1001);
    const PinnedBuffer moved = std::move(one);
    EXPECT_EQ(pinned_bytes(), before + 1001);
    EXPECT_EQ(PinnedBuffer(0, kDevice).data(), nullptr);
  }
  EXPECT_EQ(pinned_bytes(), before);
  EXPECT_GE(peak_pinned_bytes(), before + 1001);
}

TEST(CudaPinned, ARequestThatDoesNotFitSaysSo) {
  constexpr int64_t kTooMuch = int64_t{1} << 52;
  testing_support::expect_throw<OutOfMemory>([] { PinnedBuffer(kTooMuch, kDevice); },
                                             {std::to_string(kTooMuch), "lock"});
}

TEST(CudaDeviceInfo, DescribesTheDevice) {
  const CudaDeviceInfo info = cuda_core().device_info(kDevice);
  EXPECT_FALSE(info.name.empty());
  EXPECT_FALSE(info.pci_bus_id.empty());
  EXPECT_GT(info.free_bytes, 0);
  EXPECT_LE(info.free_bytes, info.total_bytes);
  EXPECT_GT(info.multiprocessors, 0);
  EXPECT_GE(info.compute_major, 8);
  EXPECT_GE(info.runtime_version, 13000);
}

}  // namespace
}  // namespace lockstep::test
