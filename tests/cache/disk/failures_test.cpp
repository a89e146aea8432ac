// What refuses, breaks, fills up or never answers: a message for the page concerned, and the others as they were.
#include "core/error.h"
#include "tests/cache/disk/faulty_calls.h"
#include "tests/cache/disk/store_pages.h"
#include "tests/support/expect_throw.h"
#include "tests/support/temporary_directory.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <memory>
#include <sys/mount.h>
#include <thread>
#include <unistd.h>

namespace lockstep {
namespace {

using namespace testing_support;

class DiskStoreFailures : public testing::Test {
 protected:
  /// Fails the `number`-th call (from 1) of that name from now on; -1: all.
  void fail(std::string name, int error, int number = -1) {
    calls_->fault = [=, count = 0](std::string_view call) mutable {
      if (call != name) return 0;
      return number == -1 || ++count == number ? error : 0;
    };
  }
  void fail_nothing() {
    calls_->fault = [](std::string_view) { return 0; };
  }

  TemporaryDirectory directory_;
  DiskStoreOptions options_ = small_store(directory_.path());
  std::shared_ptr<FaultyCalls> calls_ = std::make_shared<FaultyCalls>();
};

bool contains(const std::optional<std::string>& text, std::string_view part) {
  return text && text->find(part) != std::string::npos;
}

TEST_F(DiskStoreFailures, FallsBackAndSaysWhy) {
  options_.io = "auto";
  EXPECT_EQ(DiskStore(options_, calls_).io(), "io_uring, O_DIRECT");  // this machine has both
  fail("setup_uring", -ENOSYS);
  EXPECT_EQ(DiskStore(options_, calls_).io(), "pread, O_DIRECT");
  fail("open_direct", -EINVAL);  // tmpfs of old, overlayfs
  EXPECT_EQ(DiskStore(options_, calls_).io(), "pread, page cache");
  options_.io = "uring";
  EXPECT_EQ(DiskStore(options_, calls_).io(), "io_uring, page cache");
  options_.io = "mmap";
  DiskStore store(options_, calls_);
  EXPECT_EQ(store.io(), "mmap, page cache");
  put_pages(store, options_, keys_of(0, 2));
  expect_pages(store, options_, keys_of(0, 2));
}

TEST_F(DiskStoreFailures, AWayThatIsAskedForAndRefusedIsAnError) {
  options_.io = "uring";
  fail("setup_uring", -EPERM);
  expect_throw<IoError>([&] { DiskStore(options_, calls_); }, {"io_uring", "Operation not permitted"});
  options_.io = "floppy";
  expect_throw<ConfigError>([&] { DiskStore(options_, calls_); }, {"floppy", "auto, uring, pread, mmap"});
}

TEST_F(DiskStoreFailures, WithoutPreallocation) {
  fail("allocate", -EOPNOTSUPP);
  DiskStore store(options_, calls_);
  put_pages(store, options_, keys_of(0, 5));
  expect_pages(store, options_, keys_of(0, 5));
  EXPECT_GE(segment_bytes_in(directory_.path()), store.pages_per_segment() * 2 * 4096);
}

TEST_F(DiskStoreFailures, FullDiskWhenASegmentIsMade) {
  DiskStore store(options_, calls_);
  fail("allocate", -ENOSPC);
  for (const auto& result : write_pages(store, options_, keys_of(0, 3))) EXPECT_TRUE(contains(result, "No space left"));
  EXPECT_TRUE(files_of(directory_.path(), ".seg").empty());
  fail_nothing();
  put_pages(store, options_, keys_of(0, 3));  // there is room again
  expect_pages(store, options_, keys_of(0, 3));
}

TEST_F(DiskStoreFailures, OnePageThatCannotBeWritten) {
  DiskStore store(options_, calls_);
  put_pages(store, options_, keys_of(0, 1));
  fail("pwrite", -ENOSPC, 2);
  const Results results = write_pages(store, options_, keys_of(1, 3));
  EXPECT_FALSE(results[0]);
  EXPECT_TRUE(contains(results[1], "No space left"));
  EXPECT_FALSE(results[2]);
  expect_pages(store, options_, {key_of(0), key_of(1), key_of(3)});
  EXPECT_NE(read_page(store, options_, key_of(2)), "right");
}

TEST_F(DiskStoreFailures, DataThatCannotBeSyncedIsNotTold) {
  {
    DiskStore store(options_, calls_);
    put_pages(store, options_, keys_of(0, 1));
    fail("sync", -EIO, 1);
    for (const auto& result : write_pages(store, options_, keys_of(1, 2))) EXPECT_TRUE(contains(result, "cannot sync"));
    put_pages(store, options_, keys_of(3, 1));
  }
  EXPECT_EQ(DiskStore(options_).pages(), (std::vector{key_of(0), key_of(3)}));
}

TEST_F(DiskStoreFailures, ALogThatRefusesAGroup) {
  {
    DiskStore store(options_, calls_);
    put_pages(store, options_, keys_of(0, 1));
    fail("sync", -EIO, 2);  // the first is the data's
    for (const auto& result : write_pages(store, options_, keys_of(1, 5))) EXPECT_TRUE(contains(result, "the log"));
    put_pages(store, options_, keys_of(6, 1));
  }
  // None of the failed group, although its entries stood behind the last good one.
  EXPECT_EQ(DiskStore(options_).pages(), (std::vector{key_of(0), key_of(6)}));
}

TEST_F(DiskStoreFailures, ALogThatCannotBeRepairedTakesNothingMore) {
  {
    DiskStore store(options_, calls_);
    put_pages(store, options_, keys_of(0, 1));
    calls_->fault = [count = 0](std::string_view call) mutable {
      return (call == "sync" && ++count >= 2) || call == "truncate" ? -EIO : 0;
    };
    EXPECT_TRUE(contains(write_pages(store, options_, keys_of(1, 1))[0], "the log refuses"));
    fail_nothing();
    EXPECT_TRUE(contains(write_pages(store, options_, keys_of(2, 1))[0], "the log is broken"));
    EXPECT_TRUE(contains(store.forget(keys_of(0, 1)), "the log is broken"));
  }
  DiskStore store(options_);
  expect_pages(store, options_, store.pages());
}

TEST_F(DiskStoreFailures, ReadErrorsConcernOnePage) {
  DiskStore store(options_, calls_);
  put_pages(store, options_, keys_of(0, 3));
  fail("pread", -EIO, 2);
  std::vector<PageBytes> pages;
  std::vector<DiskStore::Read> reads;
  for (const Hash128& key : keys_of(0, 3)) pages.push_back(make_empty_page(options_, key));
  for (PageBytes& page : pages) reads.push_back(page.to_read());
  const Results results = store.read(reads);
  EXPECT_FALSE(results[0]);
  EXPECT_TRUE(contains(results[1], "Input/output error"));
  EXPECT_FALSE(results[2]);
  expect_pages(store, options_, keys_of(0, 3));
}

TEST_F(DiskStoreFailures, FilesThatSomebodyRemovedOrCut) {
  for (const char* io : {"auto", "pread", "mmap"}) {
    SCOPED_TRACE(io);
    const TemporaryDirectory directory;
    options_ = small_store(directory.path());
    options_.io = io;
    DiskStore store(options_);
    put_pages(store, options_, keys_of(0, 3));
    const auto path = files_of(directory.path(), ".seg").at(0);
    std::filesystem::resize_file(path, 4096 + 2 * 8192);
    EXPECT_EQ(read_page(store, options_, key_of(1)), "right");
    EXPECT_NE(read_page(store, options_, key_of(2)).find("the file ends before"), std::string::npos);
    std::filesystem::remove(path);
    EXPECT_EQ(read_page(store, options_, key_of(0)), "right");
    EXPECT_TRUE(contains(write_pages(store, options_, keys_of(3, 1))[0], "was removed"));
  }
}

TEST_F(DiskStoreFailures, FilesRemovedOrCutBeforeItOpens) {
  const auto fill = [&] {
    DiskStore store(options_);
    put_pages(store, options_, keys_of(0, 3));
  };
  fill();
  std::filesystem::resize_file(files_of(directory_.path(), ".seg").at(0), 4096 + 2 * 8192);
  EXPECT_EQ(DiskStore(options_).pages(), keys_of(0, 2));
  std::filesystem::remove(files_of(directory_.path(), ".seg").at(0));
  EXPECT_TRUE(DiskStore(options_).pages().empty());
  fill();
  std::filesystem::remove(files_of(directory_.path(), ".log").at(0));
  EXPECT_TRUE(DiskStore(options_).pages().empty());
  EXPECT_TRUE(files_of(directory_.path(), ".seg").empty());  // nobody could read it any more
}

TEST_F(DiskStoreFailures, ADiskThatDoesNotAnswer) {
  options_.timeout = std::chrono::milliseconds(50);
  // Never freed: the late read is still to come when the store is gone.
  static PageBytes& page = *new PageBytes(make_empty_page(options_, key_of(0)));
  {
    DiskStore store(options_, calls_);
    put_pages(store, options_, keys_of(0, 2));
    calls_->hang();
    const std::array reads{page.to_read()};
    EXPECT_TRUE(contains(store.read(reads)[0], "does not answer within 50 ms"));
    EXPECT_TRUE(store.is_off());
    EXPECT_FALSE(store.is_idle());
    EXPECT_TRUE(contains(store.read(reads)[0], "is off since a call was late"));
    EXPECT_TRUE(contains(write_pages(store, options_, keys_of(2, 1))[0], "is off"));
    EXPECT_TRUE(contains(store.forget(keys_of(0, 1)), "is off"));
    EXPECT_EQ(store.pages_per_segment(), 31);
  }  // does not hang
  calls_->release();
  // The late call lets go of the directory when it comes back.
  options_.timeout = std::chrono::seconds(30);
  options_.patience = std::chrono::seconds(30);
  DiskStore store(options_);
  EXPECT_EQ(store.pages(), keys_of(0, 2));
  expect_pages(store, options_, keys_of(0, 2));
}

TEST_F(DiskStoreFailures, IdleAgainWhenTheLateCallIsBack) {
  options_.timeout = std::chrono::milliseconds(50);
  DiskStore store(options_, calls_);
  put_pages(store, options_, keys_of(0, 1));
  PageBytes page = make_empty_page(options_, key_of(0));
  const std::array reads{page.to_read()};
  calls_->hang();
  EXPECT_TRUE(store.read(reads)[0]);
  calls_->release();
  while (!store.is_idle()) std::this_thread::yield();  // the test's own time-out is the limit
  EXPECT_TRUE(store.is_off());
}

TEST_F(DiskStoreFailures, ASmallFullFileSystem) {
  if (::geteuid() != 0) GTEST_SKIP() << "mounting a small tmpfs needs root";
  const TemporaryDirectory mount_point;
  if (::mount("tmpfs", mount_point.path().c_str(), "tmpfs", 0, "size=1m") != 0)
    GTEST_SKIP() << "no tmpfs can be mounted here";
  for (const char* io : {"auto", "pread", "mmap"}) {
    SCOPED_TRACE(io);
    options_ = small_store(mount_point.path());
    options_.io = io;
    {
      DiskStore store(options_);
      std::vector<Hash128> written;
      bool was_full = false;
      for (int64_t i = 0; i < 200; ++i) {
        const auto result = write_pages(store, options_, keys_of(i, 1))[0];
        if (!result) written.push_back(key_of(i));
        EXPECT_TRUE(!result || contains(result, "No space left")) << *result;
        was_full = was_full || result;
      }
      EXPECT_TRUE(was_full);
      EXPECT_GT(written.size(), 50U);
      expect_pages(store, options_, written);
      EXPECT_EQ(store.forget(written), std::nullopt);
    }
    EXPECT_TRUE(files_of(mount_point.path(), ".seg").empty());
  }
  ::umount(mount_point.path().c_str());
}

}  // namespace
}  // namespace lockstep
