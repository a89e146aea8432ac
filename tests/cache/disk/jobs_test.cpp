// Several ranks, jobs and runs in one directory: room, locks, reclaim, and the commands that look after it.
#include "cache/disk/segment_plan.h"
#include "cache/disk/store_admin.h"
#include "cache/disk/store_format.h"
#include "core/error.h"
#include "core/log.h"
#include "tests/cache/disk/store_pages.h"
#include "tests/support/expect_throw.h"
#include "tests/support/temporary_directory.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <memory>
#include <thread>

namespace lockstep {
namespace {

using namespace testing_support;

std::shared_ptr<SystemCalls> real_calls() { return std::make_shared<SystemCalls>(); }

TEST(SegmentPlan, CutsTheCertainShare) {
  const RecordShape shape{32, 34048};  // of 1.04 MiB
  const SegmentPlan big = plan_segments(shape, 8, int64_t{1} << 40, 8);
  EXPECT_LE(big.segment_bytes, int64_t{256} << 20);
  EXPECT_GT(big.segment_bytes, int64_t{240} << 20);
  EXPECT_EQ(big.others_bytes, int64_t{1} << 39);
  const SegmentPlan middle = plan_segments(shape, 8, int64_t{8} << 30, 8);  // 512 MiB are certain for each
  EXPECT_EQ(middle.pages_per_segment, 7);                                   // 64 records are 8 pages and a header
  const RecordShape small{1, 4096};
  EXPECT_EQ(plan_segments(small, 1, 1 << 20, 1).pages_per_segment, 31);  // a quarter of 512 KiB
  EXPECT_EQ(plan_segments(small, 1, 2 * 8192, 1).pages_per_segment, 1);
  expect_throw<ConfigError>([&] { plan_segments(small, 2, 3 * 2 * 12288 - 1, 3); }, {"at least 73728"});
}

TEST(DiskStoreJobs, WritesAsMuchAsItSaid) {
  const TemporaryDirectory directory;
  DiskStoreOptions options = small_store(directory.path());
  options.num_writers = 2;
  DiskStore one(options), two(options);
  ASSERT_EQ(one.capacity_pages(), two.capacity_pages());
  EXPECT_EQ(one.capacity_pages() % one.pages_per_segment(), 0);
  for (DiskStore* store : {&one, &two}) {
    put_pages(*store, options, keys_of(0, store->capacity_pages()));
    EXPECT_LE(segment_bytes_in(directory.path()), options.capacity_bytes);
    const auto result = write_pages(*store, options, keys_of(10'000, 1))[0];
    ASSERT_TRUE(result);
    EXPECT_NE(result->find("segments of this rank hold pages"), std::string::npos);
  }
  // A segment's pages gone, there is room for another segment.
  const auto num_files = files_of(directory.path(), ".seg").size();
  EXPECT_EQ(one.forget(keys_of(0, one.pages_per_segment())), std::nullopt);
  EXPECT_EQ(files_of(directory.path(), ".seg").size(), num_files - 1);
}

TEST(DiskStoreJobs, AttemptsLieInTheirSegments) {
  const TemporaryDirectory directory;
  const DiskStoreOptions options = small_store(directory.path());
  DiskStore store(options);
  const int64_t pages = store.pages_per_segment();
  put_pages(store, options, keys_of(0, pages - 1));
  EXPECT_EQ(files_of(directory.path(), ".seg").size(), 1U);
  put_pages(store, options, keys_of(pages - 1, 2));
  EXPECT_EQ(files_of(directory.path(), ".seg").size(), 2U);
  EXPECT_EQ(store.forget(keys_of(0, pages - 1)), std::nullopt);
  EXPECT_EQ(files_of(directory.path(), ".seg").size(), 2U);
  EXPECT_EQ(store.forget(keys_of(pages - 1, 1)), std::nullopt);
  EXPECT_EQ(files_of(directory.path(), ".seg").size(), 1U);
  // The open segment stays: the next attempts belong to it.
  EXPECT_EQ(store.forget(keys_of(pages, 1)), std::nullopt);
  EXPECT_EQ(files_of(directory.path(), ".seg").size(), 1U);
}

// Pages become ready in any order, and some never: what shares a file follows from their numbers alone.
TEST(DiskStoreJobs, AttemptsThatComeInAnyOrderLieInTheirSegments) {
  const TemporaryDirectory directory;
  const DiskStoreOptions options = small_store(directory.path());
  DiskStore store(options);
  const int64_t pages = store.pages_per_segment(), capacity = store.capacity_pages();
  const auto write = [&](int64_t number) {
    const PageBytes page = make_page(options, key_of(number));
    DiskStore::Write one = page.to_write();
    one.attempt = static_cast<uint64_t>(number);
    return store.write({&one, 1})[0];
  };
  for (int64_t number = capacity - 1; number >= 0; --number) {
    if (number == 3) continue;  // never comes
    EXPECT_EQ(write(number), std::nullopt) << number;
  }
  EXPECT_TRUE(write(capacity)) << "all segments hold pages";
  // The first segment's pages gone, the next segment finds room, in whatever order its pages come.
  EXPECT_EQ(store.forget(keys_of(0, pages)), std::nullopt);
  for (int64_t number = capacity + pages - 1; number > capacity; --number) EXPECT_EQ(write(number), std::nullopt);
  expect_pages(store, options, keys_of(pages, capacity - pages));
  expect_pages(store, options, keys_of(capacity + 1, pages - 1));
  EXPECT_LE(segment_bytes_in(directory.path()), options.capacity_bytes);
}

TEST(DiskStoreJobs, OldestSegmentsMakeRoom) {
  const TemporaryDirectory directory;
  const DiskStoreOptions options = small_store(directory.path());
  int64_t next = 0;
  for (int run = 0; run < 6; ++run) {
    DiskStore store(options);
    int64_t old_bytes = segment_bytes_in(directory.path());
    EXPECT_LE(old_bytes, options.capacity_bytes / 2);
    EXPECT_EQ(store.opening().removed_segments > 0, run > 0);
    // What is left is the newest.
    const std::vector<Hash128>& told = store.pages();
    EXPECT_TRUE(
        std::ranges::equal(told, keys_of(next - static_cast<int64_t>(told.size()), static_cast<int64_t>(told.size()))));
    expect_pages(store, options, told);
    put_pages(store, options, keys_of(next, store.capacity_pages()));
    next += store.capacity_pages();
    EXPECT_LE(segment_bytes_in(directory.path()), options.capacity_bytes);
  }
  EXPECT_LE(files_of(directory.path(), ".log").size(), 3U);
}

TEST(DiskStoreJobs, AnotherJobTakesWhatIsLeft) {
  const TemporaryDirectory directory;
  DiskStoreOptions first = small_store(directory.path()), second = first;
  second.content = {9, 9};
  DiskStore holder(first);
  put_pages(holder, first, keys_of(0, 40));
  {
    DiskStore late(second);
    EXPECT_EQ(late.capacity_pages(), 0);  // the first was promised all
    EXPECT_TRUE(write_pages(late, second, keys_of(0, 1))[0]);
  }
  second.capacity_bytes = 2 * first.capacity_bytes;
  DiskStore late(second);
  EXPECT_GT(late.capacity_pages(), 0);
  put_pages(late, second, keys_of(0, late.capacity_pages()));
  put_pages(holder, first, keys_of(40, holder.capacity_pages() - 40));
  EXPECT_LE(segment_bytes_in(directory.path()), second.capacity_bytes);
  expect_pages(holder, first, keys_of(0, 40));
  expect_pages(late, second, keys_of(0, 40));
}

TEST(DiskStoreJobs, AReaderKeepsWhatItReads) {
  const TemporaryDirectory directory;
  const DiskStoreOptions options = small_store(directory.path());
  {
    DiskStore writer(options);
    put_pages(writer, options, keys_of(0, writer.capacity_pages()));
  }
  DiskStore reader(options);  // makes room, keeps half
  const std::vector<Hash128> kept = reader.pages();
  ASSERT_FALSE(kept.empty());
  {
    DiskStoreOptions other = options;
    other.content = {9, 9};
    const DiskStore stranger(other);
    EXPECT_EQ(stranger.opening().removed_segments, 0);
  }
  EXPECT_EQ(purge_store(directory.path(), real_calls(), std::nullopt, true).segments, 0);
  expect_pages(reader, options, kept);
}

TEST(DiskStoreJobs, PurgeBesideALivingJob) {
  const TemporaryDirectory directory;
  DiskStoreOptions ours = small_store(directory.path()), theirs = ours;
  ours.capacity_bytes = int64_t{16} << 20;
  theirs.content = {9, 9};
  {
    DiskStore ended(theirs);
    put_pages(ended, theirs, keys_of(0, 40));
  }
  DiskStore living(ours);
  put_pages(living, ours, keys_of(0, 40));
  EXPECT_EQ(purge_store(directory.path(), real_calls(), ours.content, false).segments, 0);
  const Purged purged = purge_store(directory.path(), real_calls(), std::nullopt, false);
  EXPECT_EQ(purged.segments, 2);
  EXPECT_EQ(purged.segments_in_use, 1);
  EXPECT_EQ(purged.logs, 1);
  expect_pages(living, ours, keys_of(0, 40));
  put_pages(living, ours, keys_of(40, 40));
  expect_pages(living, ours, keys_of(40, 40));
  EXPECT_EQ(inspect_store(directory.path(), real_calls()).writers.size(), 1U);
}

TEST(DiskStoreJobs, RanksOpenWriteAndForgetAtOnce) {
  const TemporaryDirectory directory;
  DiskStoreOptions options = small_store(directory.path());
  options.capacity_bytes = int64_t{16} << 20;
  options.num_writers = 4;
  {
    DiskStore store(options);
    put_pages(store, options, keys_of(0, 20));
  }
  const auto run_rank = [&](int32_t rank) {
    DiskStoreOptions mine = options;
    mine.heads = {rank % 2, 1};
    mine.io = rank % 2 == 0 ? "auto" : "pread";
    for (int64_t round = 0; round < 5; ++round) {
      DiskStore store(mine);
      EXPECT_GT(store.capacity_pages(), 100);
      std::thread looker([&] { EXPECT_GE(store.pages().size(), 20U); });
      put_pages(store, mine, keys_of(1000 * (rank + 1) + 100 * round, 60));
      expect_pages(store, mine, keys_of(0, 20));
      expect_pages(store, mine, keys_of(1000 * (rank + 1) + 100 * round, 60));
      EXPECT_EQ(store.forget(keys_of(1000 * (rank + 1) + 100 * round, 55)), std::nullopt);
      looker.join();
    }
  };
  std::vector<std::thread> ranks;
  for (int32_t rank = 0; rank < 4; ++rank) ranks.emplace_back(run_rank, rank);
  for (std::thread& rank : ranks) rank.join();
  DiskStoreOptions last = options;
  last.heads = {0, 1};
  DiskStore store(last);
  EXPECT_EQ(store.pages().size(), 20U + 2 * 5 * 5);
  expect_pages(store, last, store.pages());
}

TEST(DiskStoreJobs, ALongLogIsRewritten) {
  const TemporaryDirectory directory;
  DiskStoreOptions options = small_store(directory.path());
  options.capacity_bytes = int64_t{16} << 20;
  WriterFacts facts;
  facts.shape = options.shape;
  facts.heads = options.heads;
  {
    DiskStore store(options);
    ASSERT_GE(store.capacity_pages(), 300);
    for (int64_t round = 0; round < 60; ++round) {
      put_pages(store, options, keys_of(5 * round, 5));
      EXPECT_EQ(store.forget(keys_of(5 * round, 4)), std::nullopt);
      const auto bytes = static_cast<int64_t>(std::filesystem::file_size(files_of(directory.path(), ".log").at(0)));
      const int64_t entries = (bytes - kLogHeaderBytes) / facts.entry_bytes();
      EXPECT_LE(entries, 2 * (round + 1) + 64 + 10);
    }
  }
  DiskStore store(options);
  EXPECT_EQ(store.pages().size(), 60U);
  expect_pages(store, options, store.pages());
}

// As if the program had been upgraded: what an earlier version left fills the directory, and is nobody's job.
TEST(DiskStoreJobs, SegmentsOfAnotherVersionAreNotTakenForOtherJobs) {
  const TemporaryDirectory directory;
  const DiskStoreOptions options = small_store(directory.path());
  {
    DiskStore store(options);
    put_pages(store, options, keys_of(0, store.capacity_pages()));
    EXPECT_EQ(store.opening().unreadable_bytes, 0);
  }
  const int64_t old_bytes = segment_bytes_in(directory.path());
  for (const auto& log : files_of(directory.path(), ".log")) {
    std::string bytes = read_file(log);
    bytes[8] = 1;
    write_file(log, bytes);
  }
  configure_log(LogLevel::kInfo, Rank(0), 1);
  testing::internal::CaptureStderr();
  {
    const DiskStore store(options);
    EXPECT_EQ(store.capacity_pages(), 0);
    EXPECT_EQ(store.opening().unreadable_bytes, old_bytes);
  }
  const std::string said = testing::internal::GetCapturedStderr();
  for (const std::string& part :
       {std::to_string(old_bytes) + " bytes", std::string("has version 1"), std::string("nothing is written"),
        "`lockstep cache purge --dir " + directory.path().string() + " --all`"})
    EXPECT_NE(said.find(part), std::string::npos) << part << "\n" << said;
  EXPECT_EQ(said.find("other jobs"), std::string::npos) << said;
  EXPECT_EQ(inspect_store(directory.path(), real_calls()).unreadable_segment_bytes(), old_bytes);

  const Purged kept = purge_store(directory.path(), real_calls(), std::nullopt, false);
  EXPECT_EQ(kept.unreadable_bytes, old_bytes);
  EXPECT_GT(kept.unreadable_segments, 0);
  EXPECT_EQ(purge_store(directory.path(), real_calls(), std::nullopt, true).unreadable_bytes, 0);
  const DiskStore store(options);
  EXPECT_GT(store.capacity_pages(), 0);
  EXPECT_EQ(store.opening().unreadable_bytes, 0);
}

TEST(DiskStoreJobs, ASegmentOfAnotherVersionWithoutItsLogIsSaid) {
  const TemporaryDirectory directory;
  const DiskStoreOptions options = small_store(directory.path());
  {
    DiskStore store(options);
    put_pages(store, options, keys_of(0, 1));
  }
  std::filesystem::remove(files_of(directory.path(), ".log").at(0));
  const auto segment = files_of(directory.path(), ".seg").at(0);
  std::string bytes = read_file(segment);
  bytes[8] = 1;
  write_file(segment, bytes);
  const DiskStore store(options);
  EXPECT_GT(store.capacity_pages(), 0);
  EXPECT_EQ(store.opening().unreadable_bytes, static_cast<int64_t>(bytes.size()));
  ASSERT_EQ(store.opening().problems.size(), 1U);
  EXPECT_NE(store.opening().problems[0].find(segment.string() + " has version 1"), std::string::npos);
}

TEST(StoreAdmin, InspectAndVerify) {
  const TemporaryDirectory directory;
  DiskStoreOptions options = small_store(directory.path());
  options.num_writers = 2;
  expect_throw<IoError>([&] { inspect_store(directory.path(), real_calls()); }, {"no disk cache"});
  {
    DiskStore store(options);
    put_pages(store, options, keys_of(0, 5));
    EXPECT_EQ(store.forget(keys_of(4, 1)), std::nullopt);
    options.heads = {2, 2};
    DiskStore other(options);
    put_pages(other, options, keys_of(0, 3));
    const StoreScan scan = inspect_store(directory.path(), real_calls());
    EXPECT_EQ(std::ranges::count_if(scan.writers, [](const auto& writer) { return writer.second.is_live; }), 2);
  }
  const std::vector<ContentSummary> contents = summarise(inspect_store(directory.path(), real_calls()));
  ASSERT_EQ(contents.size(), 1U);
  EXPECT_EQ(contents[0].num_heads, 4);
  EXPECT_EQ(contents[0].pages, 4);
  EXPECT_EQ(contents[0].whole_pages, 3);
  EXPECT_EQ(contents[0].payload_bytes, (4 * 2 + 3 * 2) * 300);

  std::vector<std::string> lines;
  const auto say = [&](const std::string& line) { lines.push_back(line); };
  Verified verified = verify_store(directory.path(), real_calls(), say);
  EXPECT_EQ(verified.records, 4 * 2 + 3 * 2);
  EXPECT_EQ(verified.bad, 0);
  for (const auto& path : files_of(directory.path(), ".seg")) {
    std::string bytes = read_file(path);
    bytes[4096 + 150] = static_cast<char>(bytes[4096 + 150] ^ 1);  // first page, first head, second layer
    write_file(path, bytes);
  }
  verified = verify_store(directory.path(), real_calls(), say);
  EXPECT_EQ(verified.bad, 2);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_NE(lines[0].find(".seg at 4096: page " + key_of(0).to_string()), std::string::npos);
  EXPECT_NE(lines[0].find("layer 1"), std::string::npos);
}

TEST(StoreAdmin, PurgeAllTakesWhatIsNotUnderstood) {
  const TemporaryDirectory directory;
  const DiskStoreOptions options = small_store(directory.path());
  {
    DiskStore store(options);
    put_pages(store, options, keys_of(0, 5));
  }
  const auto log = files_of(directory.path(), ".log").at(0);
  std::string bytes = read_file(log);
  bytes[8] = 99;  // a version to come
  write_file(log, bytes);
  EXPECT_EQ(purge_store(directory.path(), real_calls(), std::nullopt, false).segments, 0);
  const Purged purged = purge_store(directory.path(), real_calls(), std::nullopt, true);
  EXPECT_EQ(purged.segments, 1);
  EXPECT_EQ(purged.logs, 1);
  EXPECT_TRUE(files_of(directory.path(), ".log").empty());
}

}  // namespace
}  // namespace lockstep
