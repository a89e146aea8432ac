// Which blocks become hot, and that a list always leads to the bytes of its pages.
#include "kernels/hot_pages.h"

#include "core/pinned_buffer.h"
#include "kernels/page_places.h"
#include "tests/kernels/cuda/device_support.h"

#include <gtest/gtest.h>
#include <random>
#include <set>

namespace lockstep::test {
namespace {

constexpr int64_t kSlots = 3, kHostSlots = 40, kCapacity = 12, kLayer = 1;

std::vector<std::byte> noise(int64_t bytes, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::byte> out(static_cast<size_t>(bytes));
  for (std::byte& byte : out) byte = static_cast<std::byte>(random());
  return out;
}

/// Sequences of one layer's lists over a few device slots and many host slots.
class Hot {
 public:
  explicit Hot(KvFormat format, int64_t num_blocks) : num_blocks_(num_blocks) {
    layout_ = {
        .page_tokens = 16, .num_kv_heads = 2, .num_layers = 3, .head_dim = 8, .dtype = DType::kBF16, .format = format};
    host_head_ = (layout_.head_bytes() + 4095) / 4096 * 4096;
    const std::vector<std::byte> device = noise(kSlots * layout_.page_bytes(), 1);
    device_ = Buffer(static_cast<int64_t>(device.size()), Device::cuda(0));
    copy_async(context_.stream(), device_.data(), device.data(), device_.bytes());
    host_ = PinnedBuffer(kHostSlots * host_head_ * layout_.num_kv_heads, Device::cuda(0));
    fill_host(2);
    block_bytes_ = hot_block_bytes(layout_);
    const int64_t heads = 3 * layout_.num_kv_heads, blocks = heads * num_blocks_;
    const auto place = [&]<class T>(Buffer& memory, T*& member, int64_t count) {
      memory = Buffer(count * static_cast<int64_t>(sizeof(T)), Device::cuda(0));
      memory.fill_zero();
      member = static_cast<T*>(memory.data());
    };
    place(blocks_, hot_.blocks, blocks * block_bytes_);
    place(tags_, hot_.tags, blocks);
    place(used_, hot_.used, blocks);
    place(calls_, hot_.calls, heads);
    place(launches_, hot_.launches, layout_.num_kv_heads);
    place(claims_, hot_.claims, layout_.num_kv_heads * kHostSlots);
    place(fillings_, hot_.fillings, kHostSlots);
    place(totals_, hot_.totals, 3);
    hot_.block_bytes = block_bytes_;
    hot_.num_blocks = num_blocks_;
    hot_.num_host_slots = kHostSlots;
  }

  void fill_host(uint32_t seed) {
    context_.synchronize();
    const std::vector<std::byte> bytes = noise(host_.bytes(), seed);
    std::memcpy(host_.data(), bytes.data(), bytes.size());
  }
  void refill(int32_t host_slot, uint32_t seed) {
    context_.synchronize();
    const std::vector<std::byte> bytes = noise(host_head_ * layout_.num_kv_heads, seed);
    std::memcpy(host_.as<std::byte>() + host_slot * host_head_ * layout_.num_kv_heads, bytes.data(), bytes.size());
  }
  void void_slots(const std::vector<int32_t>& slots) { void_hot_pages(context_, slots, hot_); }

  struct Totals {
    int64_t hits, fetched, in_place;
    bool operator==(const Totals&) const = default;
  };

  /// Each row's table of slots, and the pages that all its heads list; an empty list: all pages. Checks that every
  /// entry leads to its page's bytes; returns what was counted since the last call.
  Totals fetch(const std::vector<std::vector<int32_t>>& tables, const std::vector<std::vector<int32_t>>& lists,
               bool is_hint = false) {
    const auto num_rows = static_cast<int64_t>(tables.size());
    const int64_t heads = layout_.num_kv_heads;
    std::vector<int32_t> page_begin = {0}, slots, pages(static_cast<size_t>(num_rows * heads * kCapacity), 1 << 30);
    std::vector<int32_t> counts;
    for (int64_t row = 0; row < num_rows; ++row) {
      const auto& table = tables[static_cast<size_t>(row)];
      const auto& list = lists[static_cast<size_t>(row)];
      slots.insert(slots.end(), table.begin(), table.end());
      page_begin.push_back(static_cast<int32_t>(slots.size()));
      for (int64_t head = 0; head < heads; ++head) {
        counts.push_back(list.empty() ? -1 : static_cast<int32_t>(list.size()));
        std::copy(list.begin(), list.end(), pages.begin() + (row * heads + head) * kCapacity);
      }
    }
    const DeviceArray page_begins(context_, page_begin), slot_array(context_, slots), page_array(context_, pages),
        count_array(context_, counts);
    const DeviceArray found(context_, DType::kI32, num_rows * heads * kCapacity),
        sources(context_, DType::kI32, num_rows * heads * kCapacity);
    RaggedRows rows;
    rows.num_rows = rows.num_tokens = num_rows;
    rows.page_begin = static_cast<const int32_t*>(page_begins.data());
    rows.slots = static_cast<const int32_t*>(slot_array.data());
    const KvPages kv = this->pages();
    fetch_hot_pages(context_, rows, kLayer, kv,
                    {.capacity = kCapacity,
                     .pages = static_cast<const int32_t*>(page_array.data()),
                     .counts = static_cast<const int32_t*>(count_array.data())},
                    hot_, {static_cast<int32_t*>(found.data()), static_cast<int32_t*>(sources.data())}, is_hint);
    const std::vector<int32_t> places = found.integers();
    const std::vector<std::byte> device = download(device_), blocks = download(blocks_);
    const int64_t split = layout_.splits_first_page() ? 1 : 0, bytes = layout_.layer_bytes(kLayer);
    for (int64_t row = 0; row < num_rows; ++row) {
      for (int64_t head = 0; head < heads; ++head) {
        for (size_t i = 0; i < lists[static_cast<size_t>(row)].size(); ++i) {
          const int64_t page = lists[static_cast<size_t>(row)][i];
          const int64_t slot = tables[static_cast<size_t>(row)][static_cast<size_t>(page + (page > 0 ? split : 0))];
          const int64_t place = places[static_cast<size_t>((row * heads + head) * kCapacity) + i];
          const int64_t hot = place - kSlots - kHostSlots;
          EXPECT_TRUE(hot < 0 ? place == slot : hot < num_blocks_) << place << " for slot " << slot;
          if (hot >= num_blocks_) return {};
          const std::byte* const at =
              hot < 0 ? block_in(device, slot, head)
                      : blocks.data() + ((kLayer * heads + head) * num_blocks_ + hot) * block_bytes_;
          EXPECT_EQ(std::memcmp(at, block_in(device, slot, head), static_cast<size_t>(bytes)), 0)
              << "row " << row << ", head " << head << ", page " << page << " at " << place;
        }
      }
    }
    const std::vector<std::byte> raw = download(totals_);
    Totals now{};
    std::memcpy(&now, raw.data(), sizeof now);
    const Totals since{now.hits - before_.hits, now.fetched - before_.fetched, now.in_place - before_.in_place};
    before_ = now;
    return since;
  }

 private:
  KvPages pages() const {
    KvPages pages;
    pages.base = static_cast<std::byte*>(device_.data());
    pages.layout = layout_;
    pages.num_slots = kSlots;
    pages.host_base = host_.as<std::byte>();
    pages.host_head_stride = host_head_;
    pages.host_slot_bytes = host_head_ * layout_.num_kv_heads;
    return pages;
  }
  const std::byte* block_in(const std::vector<std::byte>& device, int64_t slot, int64_t head) const {
    KvPages pages = this->pages();
    pages.base = const_cast<std::byte*>(device.data());
    return places_of_layer(pages, kLayer).block_of(slot, head);
  }
  std::vector<std::byte> download(const Buffer& buffer) {
    std::vector<std::byte> bytes(static_cast<size_t>(buffer.bytes()));
    copy_async(context_.stream(), bytes.data(), buffer.data(), buffer.bytes());
    context_.synchronize();
    return bytes;
  }

  CudaContext context_;
  KvLayout layout_;
  int64_t num_blocks_, block_bytes_ = 0, host_head_ = 0;
  Buffer device_, blocks_, tags_, used_, calls_, launches_, claims_, fillings_, totals_;
  PinnedBuffer host_;
  HotPages hot_;
  Totals before_{};
};

/// A table of the device's slots and then `count` host slots from `first` on.
std::vector<int32_t> table_of(int32_t first, int32_t count) {
  std::vector<int32_t> table = {0, 1};
  for (int32_t i = 0; i < count; ++i) table.push_back(static_cast<int32_t>(kSlots) + first + i);
  table.push_back(2);
  return table;
}

class HotPagesTest : public testing::TestWithParam<KvFormat> {};
INSTANTIATE_TEST_SUITE_P(Formats, HotPagesTest,
                         testing::Values(KvFormat::kFull, KvFormat::kKv8, KvFormat::kK8v4, KvFormat::kKv4),
                         [](const auto& format) { return std::string(name_of(format.param)); });

TEST_P(HotPagesTest, WhatWasFetchedIsThereTheNextTime) {
  Hot hot(GetParam(), 24);
  const std::vector<std::vector<int32_t>> tables = {table_of(0, 10)}, lists = {{0, 3, 4, 5, 9}};
  // Page 0 lies on the device, of the others some in host slots; both heads list them.
  const Hot::Totals first = hot.fetch(tables, lists);
  EXPECT_EQ(first, (Hot::Totals{0, 8, 0}));
  EXPECT_EQ(hot.fetch(tables, lists), (Hot::Totals{8, 0, 0}));
  EXPECT_EQ(hot.fetch(tables, {{0, 3, 4, 6, 9}}), (Hot::Totals{6, 2, 0}));
}

TEST_P(HotPagesTest, AFilledSlotIsFetchedAgain) {
  Hot hot(GetParam(), 24);
  const std::vector<std::vector<int32_t>> tables = {table_of(0, 10)}, lists = {{3, 4, 5}};
  hot.fetch(tables, lists);
  const int32_t slot = tables[0][5] - static_cast<int32_t>(kSlots);
  hot.refill(slot, 77);
  hot.void_slots({slot});
  EXPECT_EQ(hot.fetch(tables, lists), (Hot::Totals{4, 2, 0})) << "copies of other slots stay";
}

TEST_P(HotPagesTest, WithoutRoomPagesAreReadWhereTheyLie) {
  Hot hot(GetParam(), kHotWays);  // one set
  const std::vector<std::vector<int32_t>> tables = {table_of(0, 12)}, lists = {{2, 3, 4, 5, 6, 7, 8, 9, 10, 11}};
  EXPECT_EQ(hot.fetch(tables, lists), (Hot::Totals{0, 16, 4})) << "eight places of each head, ten pages";
  const Hot::Totals next = hot.fetch(tables, lists);
  EXPECT_EQ(next.hits, 16) << "a page that is read is not taken from";
  EXPECT_EQ(next.in_place, 4);
}

TEST_P(HotPagesTest, APageThatSeveralRowsMissComesOnce) {
  Hot hot(GetParam(), 24);
  const std::vector<std::vector<int32_t>> tables(5, table_of(0, 10)), lists(5, std::vector<int32_t>{3, 4});
  EXPECT_EQ(hot.fetch(tables, lists), (Hot::Totals{16, 4, 0}));
}

TEST_P(HotPagesTest, RowsOfSharedPagesAndRowsWithoutLists) {
  Hot hot(GetParam(), 32);
  const std::vector<std::vector<int32_t>> tables = {table_of(0, 10), table_of(0, 10), table_of(20, 10)};
  const std::vector<std::vector<int32_t>> lists = {{0, 3, 4, 5}, {}, {1, 3, 4, 5, 6}};
  hot.fetch(tables, lists);
  EXPECT_EQ(hot.fetch(tables, lists).fetched, 0);
  const std::vector<std::vector<int32_t>> both = {{0, 3, 4, 5}, {0, 3, 4, 5}, {1, 3, 4, 5, 6}};
  EXPECT_EQ(hot.fetch(tables, both).fetched, 0) << "what one row brought another finds";
}

TEST_P(HotPagesTest, AHintTakesNothingFromWhatIsRead) {
  Hot hot(GetParam(), kHotWays);
  const std::vector<std::vector<int32_t>> tables = {table_of(0, 12)};
  const std::vector<std::vector<int32_t>> lists = {{2, 3, 4, 5, 6, 7, 8, 9}}, others = {{2, 10, 11, 12}};
  hot.fetch(tables, {{3, 4, 5}});
  EXPECT_EQ(hot.fetch(tables, others, /*is_hint=*/true), (Hot::Totals{0, 0, 0})) << "hints do not count";
  const Hot::Totals hinted = hot.fetch(tables, others);
  EXPECT_EQ(hinted.fetched, 0) << "it came with the hint";
  hot.fetch(tables, lists);
  const Hot::Totals full = hot.fetch(tables, lists);
  hot.fetch(tables, {{10, 11, 12}}, /*is_hint=*/true);
  EXPECT_EQ(hot.fetch(tables, lists), full) << "all places were read in the last call";
}

}  // namespace
}  // namespace lockstep::test
