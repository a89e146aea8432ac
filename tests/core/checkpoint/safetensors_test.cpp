#include "core/checkpoint/safetensors.h"

#include "core/error.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/temporary_directory.h"

#include <gtest/gtest.h>
#include <thread>

namespace lockstep {
namespace {

using testing_support::safetensors_file;
using testing_support::stored;
using testing_support::StoredTensor;

const std::vector<float> kSixValues{1.0F, -2.5F, 0.0F, 3.0F, 1e-3F, 65504.0F};

/// One tensor of each viewable dtype, a scalar, an empty one and one that views do not hold.
std::vector<StoredTensor> mixed_tensors() {
  return {stored("f32", DType::kF32, {2, 3}, kSixValues),
          stored("f16", DType::kF16, {6}, kSixValues),
          stored("bf16", DType::kBF16, {1, 2, 1, 3}, kSixValues),
          stored("scalar", DType::kF32, {}, std::vector<float>{7.0F}),
          stored("empty", DType::kF32, {4, 0}, {}),
          {"ids", "I64", {2}, std::string(16, '\1')},
          {"deep", "U8", {1, 1, 1, 1, 3}, "abc"}};
}

class Safetensors : public ::testing::Test {
 protected:
  SafetensorsFile open(const std::string& content) {
    testing_support::write_file(directory_ / "model.safetensors", content);
    return SafetensorsFile::open(directory_ / "model.safetensors");
  }
  testing_support::TemporaryDirectory directory_;
};

TEST_F(Safetensors, ServesEveryViewableType) {
  const std::string content = safetensors_file(mixed_tensors());
  const SafetensorsFile file = open(content);
  EXPECT_EQ(file.path(), directory_ / "model.safetensors");
  EXPECT_EQ(file.file_bytes(), static_cast<int64_t>(content.size()));
  EXPECT_EQ(file.header().substr(0, 16), R"({"__metadata__":)");
  EXPECT_EQ(file.entries().size(), 7U);

  const ConstTensorView f32 = file.tensor("f32");
  EXPECT_EQ(f32.shape(), (Shape{2, 3}));
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(f32.as<float>()[i], kSixValues[i]);
  const ConstTensorView f16 = file.tensor("f16");
  EXPECT_EQ(f16.shape(), (Shape{6}));
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(f16.as<Half>()[i].bits, to_half(kSixValues[i]).bits);
  const ConstTensorView bf16 = file.tensor("bf16");
  EXPECT_EQ(bf16.shape(), (Shape{1, 2, 1, 3}));
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(bf16.as<BFloat16>()[i].bits, to_bfloat16(kSixValues[i]).bits);
  EXPECT_EQ(file.tensor("scalar").rank(), 0);
  EXPECT_EQ(file.tensor("scalar").as<float>()[0], 7.0F);
  EXPECT_EQ(file.tensor("empty").shape(), (Shape{4, 0}));
}

TEST_F(Safetensors, ListsButDoesNotViewOtherTypes) {
  const SafetensorsFile file = open(safetensors_file(mixed_tensors()));
  EXPECT_EQ(file.entries().at("ids").dtype, "I64");
  EXPECT_EQ(file.bytes("ids").size(), 16U);
  EXPECT_EQ(static_cast<char>(file.bytes("deep")[2]), 'c');
  for (const auto& [name, expected] :
       {std::pair("ids", "stored as I64; accepted: F32, F16, BF16"), std::pair("none", "no tensor \"none\"")}) {
    try {
      file.tensor(name);
      ADD_FAILURE() << name;
    } catch (const FormatError& error) {
      EXPECT_NE(std::string(error.what()).find(expected), std::string::npos) << error.what();
    }
  }
  EXPECT_THROW(file.bytes("none"), FormatError);
}

TEST_F(Safetensors, RefusesToViewMoreAxesThanAViewHolds) {
  const std::vector<StoredTensor> tensors{stored("deep", DType::kF32, {1, 1, 2, 1, 3}, kSixValues)};
  const SafetensorsFile file = open(safetensors_file(tensors));
  EXPECT_EQ(file.bytes("deep").size(), 24U);
  EXPECT_THROW(file.tensor("deep"), FormatError);
}

TEST_F(Safetensors, CopiesMisalignedTensorsOnceAndAligned) {
  for (size_t misalignment = 0; misalignment < 8; ++misalignment) {
    SCOPED_TRACE(misalignment);
    const SafetensorsFile file = open(safetensors_file(mixed_tensors(), 8, misalignment));
    const ConstTensorView f32 = file.tensor("f32");
    const ConstTensorView f16 = file.tensor("f16");
    EXPECT_EQ(reinterpret_cast<uintptr_t>(f32.data()) % alignof(float), 0U);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(f16.data()) % alignof(Half), 0U);
    EXPECT_EQ(f32.as<float>()[5], 65504.0F);
    EXPECT_EQ(f16.as<Half>()[5].bits, to_half(65504.0F).bits);
    EXPECT_EQ(file.tensor("f32").data(), f32.data());
    EXPECT_EQ(static_cast<const void*>(file.bytes("f32").data()) == f32.data(), misalignment % 4 == 0);
    EXPECT_EQ(static_cast<const void*>(file.bytes("f16").data()) == f16.data(), misalignment % 2 == 0);
  }
}

TEST_F(Safetensors, ThreadsMayAskForTheSameMisalignedTensor) {
  const SafetensorsFile file = open(safetensors_file(mixed_tensors(), 8, 1));
  std::array<const void*, 4> seen{};
  std::vector<std::thread> threads;
  for (const void*& address : seen) threads.emplace_back([&] { address = file.tensor("f32").data(); });
  for (std::thread& thread : threads) thread.join();
  for (const void* address : seen) EXPECT_EQ(address, seen[0]);
}

TEST_F(Safetensors, ViewsSurviveAMove) {
  SafetensorsFile file = open(safetensors_file(mixed_tensors(), 8, 1));
  const float* before = file.tensor("f32").as<float>();
  const SafetensorsFile moved = std::move(file);
  EXPECT_EQ(before[1], -2.5F);
  EXPECT_EQ(moved.tensor("f32").as<float>(), before);
}

TEST_F(Safetensors, WhatCannotBeMappedIsAnIoError) {
  EXPECT_THROW(SafetensorsFile::open(directory_ / "absent"), IoError);
  EXPECT_THROW(SafetensorsFile::open(directory_.path()), IoError);
  EXPECT_THROW(SafetensorsFile::open("/dev/null"), IoError);
}

TEST_F(Safetensors, AnEmptyFileIsAFormatError) { EXPECT_THROW(open(""), FormatError); }

}  // namespace
}  // namespace lockstep
