#include "kernels/page_summaries.h"

#include "kernels/kv_codes.h"
#include "tests/kernels/host_pages.h"
#include "tests/kernels/sealed_support.h"

#include <fmt/format.h>

namespace lockstep::test {
namespace {

constexpr int64_t kSlots = 6, kLayer = 1, kHeads = 2;

/// A pool with a table; what was not written is 0x5a.
class IndexedPool {
 public:
  IndexedPool(KvFormat format, int64_t head_dim, DType dtype = DType::kBF16, bool wide = false,
              int64_t page_tokens = 16) {
    KvLayout& layout = pages_.layout;
    layout = {page_tokens, kHeads, 3, head_dim, dtype, format};
    layout.has_summaries = format == KvFormat::kFull;
    if (wide) layout.wide_keys.insert(kLayer);
    pool_.assign(static_cast<size_t>(kSlots * layout.page_bytes()), std::byte{0x5a});
    table_.assign(static_cast<size_t>((kSlots + 2) * summary_slot_bytes(layout)), std::byte{0x5a});
    const KvLayout open = pages_.open_layout();
    const int64_t elements = 2 * open.page_bytes() / size_of(dtype);
    std::vector<float> x = normal_floats(elements, static_cast<uint64_t>(head_dim));
    for (int64_t i = 0; i < elements; ++i) {  // channels of many widths and biases
      const int64_t channel = i / (2 * page_tokens);
      x[static_cast<size_t>(i)] *= static_cast<float>(std::ldexp(1.0, static_cast<int>(channel % 13) - 9));
      x[static_cast<size_t>(i)] += static_cast<float>(channel % 3);
      if (channel % 7 == 6) x[static_cast<size_t>(i)] = 2.0F;  // without deviation
    }
    open_.assign(static_cast<size_t>(2 * open.page_bytes()), std::byte{0});
    visit_floating(dtype, [&]<class T>() {
      for (int64_t i = 0; i < elements; ++i) {
        reinterpret_cast<T*>(open_.data())[i] = from_float<T>(x[static_cast<size_t>(i)]);
      }
    });
    pages_.base = pool_.data();
    pages_.open_base = open_.data();
    pages_.summaries = table_.data();
    pages_.num_summaries = kSlots + 2;
  }

  /// Seals open page 0 to slot 3 as a first page, and open page 1 to slot 1.
  void seal(const OpContext& context) {
    const bool splits = layout().splits_first_page();
    const std::vector<int32_t> open = {0, 1}, keys = {3, 1}, values = {splits ? 4 : 3, 1};
    if (!layout().is_coded()) {
      for (size_t i = 0; i < 2; ++i) {
        const auto page_bytes = static_cast<int64_t>(open_.size()) / 2;
        const KvLayout from = [&] {
          KvLayout plain = pages_.open_layout();
          plain.has_summaries = layout().has_summaries;
          return plain;
        }();
        std::memcpy(pages_.base + keys[i] * from.page_bytes(), open_.data() + static_cast<int64_t>(i) * page_bytes,
                    static_cast<size_t>(page_bytes));
      }
    }
    seal_pages(context, {2, open.data(), keys.data(), values.data()}, kLayer, pages_);
  }
  static std::vector<IndexedPage> sealed() { return {{3, true}, {1, false}}; }

  const std::byte* entry(int64_t head, int64_t slot, int64_t layer = kLayer) const {
    return summary_entries(pages_, layer, head) + slot * summary_entry_bytes(layout());
  }
  KvPages& pages() { return pages_; }
  const KvLayout& layout() const { return pages_.layout; }
  std::vector<std::byte>& table() { return table_; }
  std::vector<std::byte>& pool() { return pool_; }

 private:
  KvPages pages_;
  std::vector<std::byte> pool_, open_, table_;
};

double half_at(const std::byte* from, int64_t i) { return to_float(reinterpret_cast<const Half*>(from)[i]); }

/// What the page says of a channel.
std::pair<double, double> channel_of(const IndexedPool& pool, const std::byte* base, int64_t head, int64_t slot,
                                     bool is_first, int64_t d) {
  const KvLayout& layout = pool.layout();
  const std::byte* page = base + slot * layout.page_bytes();
  if (!layout.is_coded()) {
    const std::byte* summary = page + layout.summary_block(head, kLayer);
    return {half_at(summary, d), half_at(summary, layout.coded_head_dim() + d)};
  }
  const bool is_split = is_first && layout.splits_first_page();
  const CodeReader codes(layout, page + layout.k_block(head, kLayer), is_split ? 8 : layout.k_bits(kLayer));
  return {codes.mean(d), codes.deviation(d)};
}

struct Case {
  KvFormat format;
  int64_t head_dim;
  DType dtype = DType::kBF16;
  bool wide = false;
};
std::vector<Case> cases() {
  std::vector<Case> out;
  for (const KvFormat format : {KvFormat::kFull, KvFormat::kKv8, KvFormat::kK8v4, KvFormat::kKv4}) {
    for (const int64_t head_dim : {5, 20, 64, 128}) out.push_back({format, head_dim});
    out.push_back({format, 32, DType::kF32});
  }
  out.push_back({KvFormat::kKv4, 64, DType::kF16, true});
  return out;
}
std::string words(const Case& c) { return fmt::format("{}, head {}", name_of(c.format), c.head_dim); }

// A mean within a rounding to F16, a deviation within a sixteenth.
TEST(PageSummaries, EntriesSayWhatPagesHold) {
  const CpuContext context;
  for (const Case& c : cases()) {
    SCOPED_TRACE(words(c));
    IndexedPool pool(c.format, c.head_dim, c.dtype, c.wide);
    pool.seal(context);
    int64_t num_zero = 0, num_there = 0;
    for (const auto& [slot, is_first] : IndexedPool::sealed()) {
      for (int64_t head = 0; head < kHeads; ++head) {
        const std::byte* entry = pool.entry(head, slot);
        const auto* codes = reinterpret_cast<const uint8_t*>(entry + 2 * summary_channels(pool.layout()));
        for (int64_t d = 0; d < c.head_dim; ++d) {
          const auto [mean, deviation] = channel_of(pool, pool.pool().data(), head, slot, is_first, d);
          EXPECT_NEAR(half_at(entry, d), mean, std::abs(mean) * 0x1p-11 + 0x1p-24);
          EXPECT_NEAR(scale_of_code(codes[d]), deviation, std::max(deviation / 16.0, 0x1p-20));
          (deviation == 0.0 ? num_zero : num_there) += 1;
        }
        for (int64_t d = c.head_dim; d < summary_channels(pool.layout()); ++d) {
          EXPECT_EQ(half_at(entry, d), 0.0);
          EXPECT_EQ(codes[d], 0);
        }
      }
    }
    EXPECT_GT(num_there, 8);
    if (c.head_dim >= 64) {
      EXPECT_GT(num_zero, 0);
    }
  }
}

// Whoever wrote them, and with however many threads; nothing but the entries asked for.
TEST(PageSummaries, IndexingWritesWhatSealingDoes) {
  const CpuContext context, other(CpuIsa::kScalar, 3);
  for (const Case& c : cases()) {
    SCOPED_TRACE(words(c));
    IndexedPool pool(c.format, c.head_dim, c.dtype, c.wide);
    const std::vector<std::byte> empty = pool.table();
    pool.seal(context);
    const std::vector<std::byte> sealed = pool.table(), pages = pool.pool();
    int64_t num_written = 0;
    for (size_t i = 0; i < sealed.size(); ++i) num_written += sealed[i] != empty[i] ? 1 : 0;
    const int64_t entries = 2 * kHeads * summary_entry_bytes(pool.layout());
    EXPECT_GT(num_written, entries * 3 / 4);
    EXPECT_LE(num_written, entries);
    pool.table() = empty;
    index_pages(other, IndexedPool::sealed(), kLayer, pool.pages());
    EXPECT_EQ(pool.table(), sealed);
    EXPECT_EQ(pool.pool(), pages);
  }
}

TEST(PageSummaries, PagesOfTheHostHaveTheSameEntries) {
  const CpuContext context;
  for (const Case& c : cases()) {
    SCOPED_TRACE(words(c));
    IndexedPool pool(c.format, c.head_dim, c.dtype, c.wide);
    pool.seal(context);
    HostPages host(pool.layout(), 2);
    host.add(pool.pool().data(), 1);
    host.add(pool.pool().data(), 3);
    std::fill(pool.pool().begin(), pool.pool().end(), std::byte{0xff});
    KvPages pages = pool.pages();
    host.join(pages, kSlots);
    index_pages(context, std::vector<IndexedPage>{{kSlots, false}, {kSlots + 1, true}}, kLayer, pages);
    const auto bytes = static_cast<size_t>(summary_entry_bytes(pool.layout()));
    for (int64_t head = 0; head < kHeads; ++head) {
      EXPECT_EQ(std::memcmp(pool.entry(head, kSlots), pool.entry(head, 1), bytes), 0);
      EXPECT_EQ(std::memcmp(pool.entry(head, kSlots + 1), pool.entry(head, 3), bytes), 0);
    }
  }
}

TEST(PageSummaries, ScaleCodesAreTheNearest) {
  for (int code = 0; code < 256; ++code) {
    const float scale = scale_of_code(static_cast<uint8_t>(code));
    EXPECT_EQ(nearest_scale_code(scale), code);
    EXPECT_EQ(nearest_scale_code(scale * 1.03F), code);
    EXPECT_EQ(nearest_scale_code(scale * 0.975F), code);
  }
  EXPECT_EQ(nearest_scale_code(0.0F), 0);
  EXPECT_EQ(nearest_scale_code(1.0625F), nearest_scale_code(1.125F));  // halfway
  EXPECT_EQ(nearest_scale_code(1e9F), 255);
  EXPECT_EQ(nearest_scale_code(NAN), 255);  // a page that may hold anything
}

TEST(PageSummaries, ErrorsAreNamed) {
  const CpuContext context;
  IndexedPool pool(KvFormat::kFull, 64);
  const std::vector<IndexedPage> one = {{1, false}}, beyond = {{kSlots + 2, false}}, negative = {{-1, false}};
  EXPECT_THROW(index_pages(context, beyond, kLayer, pool.pages()), ShapeError);
  EXPECT_THROW(index_pages(context, negative, kLayer, pool.pages()), ShapeError);
  EXPECT_THROW(index_pages(context, one, 3, pool.pages()), ShapeError);
  pool.pages().layout.has_summaries = false;
  EXPECT_THROW(index_pages(context, one, kLayer, pool.pages()), ShapeError);
  pool.pages().layout.has_summaries = true;
  pool.pages().summaries = nullptr;
  EXPECT_THROW(index_pages(context, one, kLayer, pool.pages()), Error);
}

}  // namespace
}  // namespace lockstep::test
