#include "launcher/runtime/disk_speed.h"

#include "tests/support/expect_throw.h"
#include "tests/support/temporary_directory.h"

#include <filesystem>
#include <gtest/gtest.h>

namespace lockstep {
namespace {

using testing_support::expect_throw;
using testing_support::TemporaryDirectory;
using testing_support::write_file;

TEST(DiskSpeed, IsMeasuredInADirectoryThatIsMadeAndLeftEmpty) {
  const TemporaryDirectory directory;
  const std::filesystem::path place = directory / "new" / "store";
  EXPECT_GT(measure_disk_read(place), 0.0);
  EXPECT_TRUE(std::filesystem::is_directory(place));
  EXPECT_TRUE(std::filesystem::is_empty(place));
}

TEST(DiskSpeed, NamesAPlaceThatIsNoDirectory) {
  const TemporaryDirectory directory;
  const std::filesystem::path file = directory / "file";
  write_file(file, "in the way");
  expect_throw<IoError>([&] { measure_disk_read(file / "store"); }, {(file / "store").string(), "Not a directory"});
}

}  // namespace
}  // namespace lockstep
