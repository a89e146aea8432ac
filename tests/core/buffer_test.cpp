#include "core/buffer.h"

#include <algorithm>
#include <cstring>
#include <gtest/gtest.h>
#include <utility>

namespace lockstep {
namespace {

TEST(Buffer, IsAlignedAndCounted) {
  const int64_t before = allocated_bytes(DeviceKind::kCpu);
  for (const int64_t bytes : {int64_t{1}, int64_t{63}, int64_t{4096}, int64_t{20} << 20}) {
    const Buffer buffer(bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 64, 0U);
    EXPECT_EQ(allocated_bytes(DeviceKind::kCpu), before + bytes);
    EXPECT_GE(peak_allocated_bytes(DeviceKind::kCpu), before + bytes);
    std::memset(buffer.data(), 1, static_cast<size_t>(bytes));
  }
  EXPECT_EQ(allocated_bytes(DeviceKind::kCpu), before);
}

TEST(Buffer, FillZeroReachesEveryByte) {
  for (const int64_t bytes : {int64_t{0}, int64_t{1}, int64_t{4097}, (int64_t{6} << 20) + 5}) {
    Buffer buffer(bytes);
    auto* const data = static_cast<unsigned char*>(buffer.data());
    for (int round = 0; round < 2; ++round) {
      std::fill(data, data + bytes, static_cast<unsigned char>(0xab));
      buffer.fill_zero();
      EXPECT_TRUE(std::all_of(data, data + bytes, [](unsigned char byte) { return byte == 0; })) << bytes;
    }
  }
}

TEST(Buffer, MovesOwnership) {
  Buffer a(128);
  void* data = a.data();
  Buffer b = std::move(a);
  EXPECT_EQ(b.data(), data);
  Buffer c;
  c = std::move(b);
  EXPECT_EQ(c.data(), data);
  EXPECT_EQ(c.bytes(), 128);
}

TEST(Buffer, ViewsAreBoundChecked) {
  const Buffer buffer(64);
  EXPECT_EQ(buffer.view(DType::kF32, {4, 4}).size(1), 4);
  EXPECT_THROW(buffer.view(DType::kF32, {4, 5}), ShapeError);
  EXPECT_THROW(buffer.view(DType::kF32, {1}, 61), ShapeError);
  EXPECT_EQ(buffer.view(DType::kF16, {2}, 60).data(), static_cast<char*>(buffer.data()) + 60);
}

TEST(Buffer, RefusalNamesTheRequest) {
  try {
    const Buffer buffer(int64_t{1} << 60);
    FAIL() << "a buffer of 2^60 bytes was allocated";
  } catch (const OutOfMemory& error) {
    EXPECT_EQ(error.bytes(), int64_t{1} << 60);
    EXPECT_NE(std::string(error.what()).find("1152921504606846976"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace lockstep
