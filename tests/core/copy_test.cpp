#include "core/copy.h"

#include "core/error.h"
#include "tests/support/expect_throw.h"

#include <gtest/gtest.h>
#include <numeric>
#include <vector>

namespace lockstep::test {
namespace {

struct Shape2d {
  int64_t to_pitch, from_pitch, width, rows;
};

TEST(Copy2d, CopiesRowsAndNothingBeside) {
  for (const auto& [to_pitch, from_pitch, width, rows] :
       {Shape2d{5, 7, 3, 4}, Shape2d{3, 3, 3, 4}, Shape2d{3, 8, 3, 2}, Shape2d{8, 3, 3, 2}, Shape2d{1, 1, 9, 1},
        Shape2d{0, 0, 0, 4}, Shape2d{4, 4, 2, 0}}) {
    std::vector<uint8_t> from(64), to(64, 0xee), expected(64, 0xee);
    std::iota(from.begin(), from.end(), uint8_t{1});
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t i = 0; i < width; ++i) {
        expected[static_cast<size_t>(row * to_pitch + i)] = from[static_cast<size_t>(row * from_pitch + i)];
      }
    }
    Stream stream = Stream::async_cpu("copy");
    copy_2d_async(stream, to.data(), to_pitch, from.data(), from_pitch, width, rows);
    stream.synchronize();
    EXPECT_EQ(to, expected) << to_pitch << " " << from_pitch << " " << width << " " << rows;
  }
}

TEST(Copy2d, RefusesRowsThatOverlap) {
  std::vector<uint8_t> bytes(64);
  Stream stream = Stream::inline_cpu();
  testing_support::expect_throw<Error>([&] { copy_2d_async(stream, bytes.data(), 3, bytes.data(), 4, 4, 2); },
                                       {"rows of 4 bytes", "pitches of 3 and 4"});
  testing_support::expect_throw<Error>([&] { copy_2d_async(stream, bytes.data(), 4, bytes.data(), 3, 4, 2); },
                                       {"pitches of 4 and 3"});
  testing_support::expect_throw<Error>([&] { copy_2d_async(stream, bytes.data(), 4, bytes.data(), 4, -1, 2); },
                                       {"2 rows of -1 bytes"});
}

}  // namespace
}  // namespace lockstep::test
