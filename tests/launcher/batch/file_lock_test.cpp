#include "launcher/batch/file_lock.h"

#include "tests/support/expect_throw.h"
#include "tests/support/temporary_directory.h"

#include <optional>
#include <thread>

namespace lockstep {
namespace {

using testing_support::expect_throw;
using testing_support::read_file;
using testing_support::TemporaryDirectory;
using testing_support::write_file;

constexpr std::chrono::milliseconds kNow{0};

TEST(FileLock, OneHolderAtATimeAndContentStays) {
  const TemporaryDirectory dir;
  write_file(dir / "f", "content");
  std::optional<LockedFile> first = open_and_lock(dir / "f", "the job", kNow);
  EXPECT_TRUE(first->is_held);
  expect_throw<IoError>([&] { open_and_lock(dir / "f", "the job", kNow); },
                        {"another job is writing the job (it holds ", "/f)"});
  first.reset();
  EXPECT_TRUE(open_and_lock(dir / "f", "the job", kNow).is_held);
  EXPECT_EQ(read_file(dir / "f"), "content");
}

TEST(FileLock, AFileRemovedByItsHolderIsMadeAnew) {
  const TemporaryDirectory dir;
  std::optional<LockedFile> first = open_and_lock(dir / "f", "the job", kNow);
  std::thread ending([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    remove_file(dir / "f");
    first.reset();
  });
  const LockedFile second = open_and_lock(dir / "f", "the job", std::chrono::seconds(30));
  ending.join();
  EXPECT_TRUE(second.file.is_at_path());
}

}  // namespace
}  // namespace lockstep
