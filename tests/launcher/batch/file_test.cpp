#include "launcher/batch/file.h"

#include "tests/support/expect_throw.h"
#include "tests/support/temporary_directory.h"

#include <array>
#include <fcntl.h>
#include <unistd.h>

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

TEST(File, ReadsAndWritesPipesInOrder) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  {
    File out = File::duplicate(ends[1], "the pipe");
    ::close(ends[1]);
    EXPECT_FALSE(out.is_regular());
    out.write_next(bytes_of("hel"));
    out.write_next(bytes_of("lo"));
    out.publish();
  }
  File in = File::duplicate(ends[0], "the pipe");
  ::close(ends[0]);
  std::array<std::byte, 4> buffer{};
  EXPECT_EQ(in.read_next(buffer), 4);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(buffer.data()), 4), "hell");
  EXPECT_EQ(in.read_next(buffer), 1);
  EXPECT_EQ(in.read_next(buffer), 0);
  expect_throw<IoError>([&] { in.write_next(bytes_of("x")); }, {"cannot write the pipe: Bad file descriptor"});
  expect_throw<IoError>([&] { File::duplicate(-1, "nothing"); }, {"cannot open nothing: "});
}

TEST(File, RemovedFilesAreGoneAndMissingOnesAreTold) {
  const TemporaryDirectory dir;
  write_file(dir / "f", "x");
  EXPECT_FALSE(is_no_file(dir / "f"));
  EXPECT_TRUE(is_no_file(dir.path()));
  EXPECT_FALSE(is_no_file(dir / "none"));
  EXPECT_TRUE(remove_file(dir / "f"));
  EXPECT_FALSE(std::filesystem::exists(dir / "f"));
  EXPECT_FALSE(remove_file(dir / "f"));
  expect_throw<IoError>([&] { remove_file(dir.path()); }, {"cannot remove "});
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
