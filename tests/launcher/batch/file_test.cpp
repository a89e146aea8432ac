#include "launcher/batch/file.h"

#include "tests/support/expect_throw.h"
#include "tests/support/temporary_directory.h"

#include <array>
#include <fcntl.h>

namespace lockstep {
namespace {

using testing_support::expect_throw;
using testing_support::read_file;
using testing_support::TemporaryDirectory;
using testing_support::write_file;

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(File, ReadsWhatWasWritten) {
  const TemporaryDirectory dir;
  File file(dir / "f", O_RDWR | O_CREAT);
  file.write(bytes_of("hello"), 0);
  file.write(bytes_of("LL"), 2);
  std::array<std::byte, 10> buffer{};
  EXPECT_EQ(file.read_some(buffer, 1), 4);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(buffer.data()), 4), "eLLo");
  expect_throw<IoError>([&] { file.read(buffer, 1); }, {"/f: it ends at byte 5, expected 6 more"});
  file.truncate(2);
  EXPECT_EQ(file.bytes(), 2);
}

TEST(File, KnowsWhetherItWasReplaced) {
  const TemporaryDirectory dir;
  const File file(dir / "f", O_RDWR | O_CREAT);
  EXPECT_TRUE(file.is_at_path());
  write_file(dir / "g", "other");
  replace_file(dir / "g", dir / "f");
  EXPECT_FALSE(file.is_at_path());
  std::filesystem::remove(dir / "f");
  EXPECT_FALSE(file.is_at_path());
}

TEST(File, FailuresNamePathAndReason) {
  const TemporaryDirectory dir;
  expect_throw<IoError>([&] { File(dir / "none", O_RDONLY); }, {"cannot open ", "/none: No such file"});
  File file(dir / "f", O_WRONLY | O_CREAT);
  std::array<std::byte, 1> buffer{};
  expect_throw<IoError>([&] { file.read_some(buffer, 0); }, {"cannot read ", "/f: Bad file descriptor"});
  File full("/dev/full", O_WRONLY);
  expect_throw<IoError>([&] { full.write(bytes_of("x"), 0); }, {"cannot write /dev/full: No space left"});
}

TEST(File, MovedFilesCloseOnce) {
  const TemporaryDirectory dir;
  File one(dir / "one", O_RDWR | O_CREAT), two(dir / "two", O_RDWR | O_CREAT);
  const int descriptor = two.descriptor();
  one = std::move(two);
  EXPECT_EQ(one.descriptor(), descriptor);
  EXPECT_EQ(one.path(), dir / "two");
}

TEST(File, AtomicWriteReplacesTheWholeFile) {
  const TemporaryDirectory dir;
  write_file(dir / "f", "a longer text");
  write_file_atomically(dir / "f", "short");
  EXPECT_EQ(read_file(dir / "f"), "short");
  EXPECT_FALSE(std::filesystem::exists(dir / "f.partial"));
}

}  // namespace
}  // namespace lockstep
