// Pages come back as they were written: over shapes, ways of I/O, tensor-parallel degrees, restarts.
#include "cache/disk/segment_plan.h"
#include "tests/cache/disk/store_pages.h"
#include "tests/support/expect_throw.h"
#include "tests/support/temporary_directory.h"

#include <algorithm>
#include <array>
#include <gtest/gtest.h>
#include <memory>
#include <tuple>

namespace lockstep {
namespace {

using namespace testing_support;

struct ShapeCase {
  RecordShape shape;
  HeadRange heads;
};

class RoundTrip : public testing::TestWithParam<std::tuple<ShapeCase, const char*>> {};

TEST_P(RoundTrip, NowAndAfterRestart) {
  const TemporaryDirectory directory;
  DiskStoreOptions options = small_store(directory.path());
  options.shape = std::get<0>(GetParam()).shape;
  options.heads = std::get<0>(GetParam()).heads;
  options.io = std::get<1>(GetParam());
  options.capacity_bytes = 64 * options.heads.count * options.shape.aligned_payload_bytes() + (1 << 20);
  const std::vector<Hash128> keys = keys_of(0, 13);
  {
    DiskStore store(options);
    EXPECT_TRUE(store.pages().empty());
    put_pages(store, options, {keys.begin(), keys.begin() + 5});
    put_pages(store, options, {keys.begin() + 5, keys.end()});
    expect_pages(store, options, keys);
    EXPECT_NE(read_page(store, options, key_of(99)).find("is not in the disk cache"), std::string::npos);
  }
  DiskStore store(options);
  std::vector<Hash128> told = store.pages(), wanted = keys;
  std::ranges::sort(told);
  std::ranges::sort(wanted);
  EXPECT_EQ(told, wanted);
  expect_pages(store, options, keys);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, RoundTrip,
    testing::Combine(testing::Values(ShapeCase{{1, 1}, {0, 1}}, ShapeCase{{1, 4096}, {0, 1}},
                                     ShapeCase{{3, 4097}, {0, 2}}, ShapeCase{{5, 2 * 8 * 4 * 2 + 3}, {3, 4}},
                                     ShapeCase{{12, 32768}, {0, 4}}, ShapeCase{{2, 700'001}, {1, 3}}),
                     testing::Values("auto", "uring", "pread", "mmap")));

TEST(DiskStore, OldestPagesComeFirst) {
  const TemporaryDirectory directory;
  const DiskStoreOptions options = small_store(directory.path());
  for (int64_t run = 0; run < 3; ++run) {
    DiskStore store(options);
    put_pages(store, options, {key_of(run)});
  }
  EXPECT_EQ(DiskStore(options).pages(), keys_of(0, 3));
}

TEST(DiskStore, ContentsDoNotSeeEachOther) {
  const TemporaryDirectory directory;
  DiskStoreOptions options = small_store(directory.path()), other = options;
  other.content = {1, 3};
  DiskStoreOptions wider = options;
  wider.shape = {3, 104};
  {
    DiskStore store(options);
    put_pages(store, options, keys_of(0, 3));
  }
  for (const DiskStoreOptions& stranger : {other, wider}) {
    const DiskStore store(stranger);
    EXPECT_TRUE(store.pages().empty());
    EXPECT_EQ(store.opening().pages_of_others, 3);
  }
  DiskStore store(options);
  expect_pages(store, options, keys_of(0, 3));
}

TEST(DiskStore, OtherTensorParallelDegrees) {
  const TemporaryDirectory directory;
  DiskStoreOptions options = small_store(directory.path());
  options.num_writers = 4;
  const std::vector<Hash128> keys = keys_of(0, 6);
  {
    std::vector<std::unique_ptr<DiskStore>> ranks;
    for (int32_t rank = 0; rank < 4; ++rank) {
      options.heads = {2 * rank, 2};
      ranks.push_back(std::make_unique<DiskStore>(options));
      // Rank 3 was stopped before it had written the last page.
      put_pages(*ranks.back(), options, rank == 3 ? keys_of(0, 5) : keys);
      EXPECT_EQ(ranks.back()->capacity_pages(), ranks.front()->capacity_pages());
    }
  }
  DiskStoreOptions one = options;
  one.heads = {0, 8};
  one.num_writers = 1;
  {
    DiskStore store(one);
    EXPECT_EQ(store.pages(), keys_of(0, 5));
    expect_pages(store, one, keys_of(0, 5));
    put_pages(store, one, {key_of(7)});
  }
  DiskStoreOptions eight = options;  // more ranks than heads: two ranks have the same one
  eight.num_writers = 16;
  for (int32_t rank = 0; rank < 16; ++rank) {
    eight.heads = {rank / 2, 1};
    DiskStore store(eight);
    const size_t whole = (eight.heads.first < 6 ? 7 : 6) + (rank % 2 == 0 ? 0 : 1);  // the twin wrote page 8
    EXPECT_EQ(store.pages().size(), whole);
    expect_pages(store, eight, store.pages());
    put_pages(store, eight, {key_of(8)});
  }
  DiskStore again(one);
  EXPECT_EQ(again.pages().size(), 7U);  // 0 to 4, 7, 8
  expect_pages(again, one, again.pages());
}

TEST(DiskStore, ForgottenPagesStayForgotten) {
  const TemporaryDirectory directory;
  const DiskStoreOptions options = small_store(directory.path());
  {
    DiskStore store(options);
    put_pages(store, options, keys_of(0, 4));
  }
  {
    DiskStore store(options);
    put_pages(store, options, keys_of(4, 2));
    const std::array gone{key_of(1), key_of(5), key_of(77)};
    EXPECT_EQ(store.forget(gone), std::nullopt);
    EXPECT_NE(read_page(store, options, key_of(1)), "right");
    put_pages(store, options, {key_of(5)});
    expect_pages(store, options, {key_of(0), key_of(5)});
  }
  DiskStore store(options);
  EXPECT_EQ(store.pages(), (std::vector{key_of(0), key_of(2), key_of(3), key_of(4), key_of(5)}));
  expect_pages(store, options, store.pages());
}

TEST(DiskStore, EachRankForgetsItsOwnHeads) {
  const TemporaryDirectory directory;
  DiskStoreOptions all = small_store(directory.path());
  {
    DiskStore store(all);
    put_pages(store, all, keys_of(0, 2));
  }
  DiskStoreOptions half = all;
  half.num_writers = 2;
  for (const int32_t head : {0, 1}) {
    half.heads = {head, 1};
    DiskStore store(half);
    EXPECT_EQ(store.pages(), keys_of(0, 2));
    EXPECT_EQ(store.forget(keys_of(0, head == 1 ? 2 : 1)), std::nullopt);
  }
  EXPECT_TRUE(DiskStore(all).pages().empty());
  half.heads = {0, 1};
  DiskStore store(half);
  EXPECT_EQ(store.pages(), keys_of(1, 1));
  expect_pages(store, half, keys_of(1, 1));
  EXPECT_EQ(store.forget(keys_of(1, 1)), std::nullopt);
  EXPECT_TRUE(DiskStore(half).pages().empty());
}

}  // namespace
}  // namespace lockstep
