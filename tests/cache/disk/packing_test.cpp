// Packed records: the same bytes come back, in fewer blocks, beside records as they are, and for whoever reads.
#include "cache/disk/store_admin.h"
#include "tests/cache/disk/faulty_calls.h"
#include "tests/cache/disk/store_pages.h"
#include "tests/support/temporary_directory.h"

#include <algorithm>
#include <array>
#include <gtest/gtest.h>
#include <memory>
#include <sys/stat.h>

namespace lockstep {
namespace {

using namespace testing_support;

constexpr int64_t kRecordBytes = 3 * kDiskAlignment;  // aligned, of the shape below

DiskStoreOptions packing_store(const std::filesystem::path& directory) {
  DiskStoreOptions options = small_store(directory);
  options.shape = {3, 3000};
  options.packing_level = 1;
  return options;
}

/// Blocks that the store's segments occupy, in bytes.
int64_t blocks_in(const std::filesystem::path& directory) {
  int64_t bytes = 0;
  for (const auto& path : files_of(directory, ".seg")) {
    struct stat info {};
    EXPECT_EQ(::stat(path.c_str(), &info), 0);
    bytes += info.st_blocks * 512;
  }
  return bytes;
}

ContentSummary summary_of(const std::filesystem::path& directory) {
  const auto contents = summarise(inspect_store(directory, std::make_shared<SystemCalls>()));
  EXPECT_EQ(contents.size(), 1U);
  return contents.at(0);
}

/// The first `count` keys of pages that can, or cannot, be packed.
std::vector<Hash128> keys_that(bool can_be_packed, size_t count) {
  std::vector<Hash128> keys;
  for (int64_t i = 0; keys.size() < count; ++i) {
    if (is_packable(key_of(i)) == can_be_packed) keys.push_back(key_of(i));
  }
  return keys;
}

class Packing : public testing::TestWithParam<std::tuple<const char*, int32_t, int32_t>> {};

TEST_P(Packing, NowAndAfterRestart) {
  const TemporaryDirectory directory;
  DiskStoreOptions options = packing_store(directory.path());
  options.io = std::get<0>(GetParam());
  options.packing_level = std::get<1>(GetParam());
  options.packing_threads = std::get<2>(GetParam());
  const std::vector<Hash128> keys = keys_of(0, 40);
  const auto num_packable = std::ranges::count_if(keys, is_packable);
  {
    DiskStore store(options);
    put_pages(store, options, keys);
    expect_pages(store, options, keys);
    const DiskStoreBytes bytes = store.bytes();
    EXPECT_EQ(bytes.written, 40 * 2 * kRecordBytes);
    EXPECT_EQ(bytes.written_stored, (num_packable * 1 + (40 - num_packable) * 3) * 2 * kDiskAlignment);
    EXPECT_EQ(bytes.read, bytes.written);
    EXPECT_EQ(bytes.read_stored, bytes.written_stored);
    EXPECT_EQ(summary_of(directory.path()).payload_bytes, 40 * 2 * 9000);
    EXPECT_EQ(summary_of(directory.path()).stored_bytes, bytes.written_stored);
  }
  options.packing_level = 0;  // whoever reads needs no setting
  DiskStore store(options);
  expect_pages(store, options, keys);
}

INSTANTIATE_TEST_SUITE_P(Ways, Packing,
                         testing::Combine(testing::Values("auto", "uring", "pread", "mmap"), testing::Values(1, 3, 19),
                                          testing::Values(1, 3)));

TEST(DiskPacking, TakesFewerBlocksInFilesOfTheSameLength) {
  const TemporaryDirectory as_they_are, packed;
  DiskStoreOptions options = packing_store(packed.path()), other = packing_store(as_they_are.path());
  other.packing_level = 0;
  const std::vector<Hash128> keys = keys_that(true, 30);
  DiskStore store(options), other_store(other);
  EXPECT_EQ(store.capacity_pages(), other_store.capacity_pages());
  EXPECT_EQ(store.pages_per_segment(), other_store.pages_per_segment());
  put_pages(store, options, keys);
  put_pages(other_store, other, keys);
  EXPECT_EQ(segment_bytes_in(packed.path()), segment_bytes_in(as_they_are.path()));
  EXPECT_GE(blocks_in(as_they_are.path()), 30 * 2 * kRecordBytes);
  EXPECT_LE(blocks_in(packed.path()), 30 * 2 * kDiskAlignment + 4 * kSegmentHeaderBytes);
}

TEST(DiskPacking, PagesThatDoNotShrinkByABlockLieThereAsTheyAre) {
  const TemporaryDirectory directory;
  DiskStoreOptions options = packing_store(directory.path());
  const std::vector<Hash128> keys = keys_that(false, 10);
  {
    DiskStore store(options);
    put_pages(store, options, keys);
    expect_pages(store, options, keys);
    EXPECT_EQ(store.bytes().written_stored, store.bytes().written);
  }
  const TemporaryDirectory second;  // records of one block
  options = packing_store(second.path());
  options.shape = {3, 100};
  DiskStore store(options);
  put_pages(store, options, keys_that(true, 10));
  expect_pages(store, options, keys_that(true, 10));
  EXPECT_EQ(store.bytes().written_stored, store.bytes().written);
}

TEST(DiskPacking, PackedPagesAndOthersBesideEachOtherAtOtherDegrees) {
  const TemporaryDirectory directory;
  DiskStoreOptions options = packing_store(directory.path());
  options.capacity_bytes = int64_t{32} << 20;
  options.heads = {0, 4};
  {
    DiskStore store(options);
    put_pages(store, options, keys_of(0, 12));
  }
  options.packing_level = 0;
  {
    DiskStore store(options);
    expect_pages(store, options, keys_of(0, 12));
    put_pages(store, options, keys_of(12, 12));
  }
  options.packing_level = 3;
  options.num_writers = 4;
  for (int32_t head = 0; head < 4; ++head) {
    options.heads = {head, 1};
    DiskStore store(options);
    ASSERT_EQ(store.pages(), keys_of(0, 24));
    expect_pages(store, options, keys_of(0, 24));
    // Heads of one record are given up one by one: what is left of it lies where it did.
    EXPECT_EQ(store.forget(keys_of(0, head)), std::nullopt);
    put_pages(store, options, keys_of(24, 3));
  }
  options.heads = {1, 3};
  options.num_writers = 1;
  DiskStore store(options);
  EXPECT_EQ(store.pages(), keys_of(3, 24));
  expect_pages(store, options, keys_of(3, 24));
}

// The second part of the page begins in the middle of a record.
TEST(DiskPacking, PartsOfOverlappingRecords) {
  const TemporaryDirectory directory;
  DiskStoreOptions options = packing_store(directory.path());
  options.num_writers = 2;
  for (const HeadRange heads : {HeadRange{0, 2}, HeadRange{1, 3}}) {
    options.heads = heads;
    DiskStore store(options);
    put_pages(store, options, keys_of(0, 8));
  }
  options.heads = {0, 4};
  DiskStore store(options);
  EXPECT_EQ(store.pages(), keys_of(0, 8));
  expect_pages(store, options, keys_of(0, 8));
}

TEST(DiskPacking, SurvivesARewriteOfTheLog) {
  const TemporaryDirectory directory;
  const DiskStoreOptions options = packing_store(directory.path());
  const std::vector<Hash128> kept = keys_of(0, 4);
  {
    DiskStore store(options);
    put_pages(store, options, kept);
    for (int64_t i = 0; i < 100; ++i) {
      put_pages(store, options, {key_of(100 + i)});
      EXPECT_EQ(store.forget(std::array{key_of(100 + i)}), std::nullopt);
    }
    expect_pages(store, options, kept);
    const StoreScan scan = inspect_store(directory.path(), std::make_shared<SystemCalls>());
    EXPECT_LT(scan.writers.begin()->second.entries.size(), 100U);  // it was rewritten
  }
  DiskStore store(options);
  EXPECT_EQ(store.pages(), kept);
  expect_pages(store, options, kept);
}

// A file system that is full shows at a page's write, since no blocks are set aside, and fails that page alone.
TEST(DiskPacking, FullDiskFailsThePage) {
  const TemporaryDirectory directory;
  const DiskStoreOptions options = packing_store(directory.path());
  const auto calls = std::make_shared<FaultyCalls>();
  DiskStore store(options, calls);
  put_pages(store, options, keys_of(0, 1));
  calls->fault = [count = 0](std::string_view call) mutable { return call == "pwrite" && ++count == 2 ? -ENOSPC : 0; };
  const Results results = write_pages(store, options, keys_of(1, 3));
  EXPECT_FALSE(results[0]);
  ASSERT_TRUE(results[1]);
  EXPECT_NE(results[1]->find("No space left"), std::string::npos);
  EXPECT_FALSE(results[2]);
  expect_pages(store, options, {key_of(0), key_of(1), key_of(3)});
}

TEST(DiskPacking, VerifyFindsAWrongBit) {
  const TemporaryDirectory directory;
  const DiskStoreOptions options = packing_store(directory.path());
  const std::vector<Hash128> keys = keys_that(true, 2);
  {
    DiskStore store(options);
    put_pages(store, options, keys);
  }
  std::vector<std::string> lines;
  const auto verify = [&] {
    lines.clear();
    return verify_store(directory.path(), std::make_shared<SystemCalls>(),
                        [&](const std::string& line) { lines.push_back(line); });
  };
  const Verified good = verify();
  EXPECT_EQ(good.bad, 0);
  EXPECT_EQ(good.bytes, 4 * 9000);
  EXPECT_EQ(good.stored_bytes, 4 * kDiskAlignment);
  const auto path = files_of(directory.path(), ".seg").at(0);
  std::string bytes = read_file(path);
  bytes[4096 + 4096 + 9] ^= 4;  // page 0, head 1
  write_file(path, bytes);
  EXPECT_EQ(verify().bad, 1);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_NE(lines[0].find(path.string() + " at 8192: page"), std::string::npos) << lines[0];
  EXPECT_NE(lines[0].find("head 1: the packed record has a wrong checksum"), std::string::npos) << lines[0];
}

}  // namespace
}  // namespace lockstep
