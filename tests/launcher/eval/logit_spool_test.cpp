#include "launcher/eval/logit_spool.h"

#include "core/error.h"
#include "tests/support/expect_throw.h"
#include "tests/support/temporary_directory.h"

#include <gtest/gtest.h>
#include <iterator>

namespace lockstep {
namespace {

using testing_support::expect_throw;
using testing_support::TemporaryDirectory;

TEST(LogitSpool, RowsComeBackInAnyOrderAndTheFileHasNoName) {
  const TemporaryDirectory directory;
  LogitSpool spool(directory.path(), 2), other(directory.path(), 2);
  spool.grow(1);
  spool.grow(3);
  other.grow(1);
  other.write(0, std::vector<float>{9.0F, 9.0F});
  spool.write(2, std::vector<float>{5.0F, 6.0F});
  spool.write(0, std::vector<float>{1.0F, 2.0F});
  spool.write(1, std::vector<float>{3.0F, -4.0F});
  for (const int64_t row : {1, 0, 2, 1}) {
    const std::span<const float> logits = spool.read(row);
    EXPECT_EQ(logits[0], static_cast<float>(2 * row + 1));
    EXPECT_EQ(std::abs(logits[1]), static_cast<float>(2 * row + 2));
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 0);
}

TEST(LogitSpool, WhatDoesNotFitIsRefused) {
  const TemporaryDirectory directory;
  LogitSpool spool(directory.path(), 2);
  EXPECT_THROW(spool.read(0), Error);
  spool.grow(2);
  EXPECT_THROW(spool.grow(1), Error);
  EXPECT_THROW(spool.write(2, std::vector<float>{1.0F, 2.0F}), Error);
  EXPECT_THROW(spool.write(0, std::vector<float>{1.0F}), Error);
  EXPECT_THROW(spool.read(-1), Error);
  expect_throw<IoError>([] { LogitSpool("/nowhere/at/all", 1); }, {"/nowhere/at/all"});
  expect_throw<IoError>([&] { LogitSpool(directory.path(), 1 << 20).grow(int64_t{1} << 40); },
                        {"temporary", directory.path().string(), "--tokens"});
}

}  // namespace
}  // namespace lockstep
