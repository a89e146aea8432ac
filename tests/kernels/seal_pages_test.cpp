#include "kernels/seal_pages.h"

#include "kernels/kv_decode.h"
#include "tests/kernels/sealed_support.h"

#include <fmt/format.h>
#include <functional>
#include <limits>

namespace lockstep::test {
namespace {

/// Two heads and three layers; layer 1 of one page that lies in open slot 1 is sealed to slots 2 (and 0).
class OnePage {
 public:
  /// key and value of (head, token, dim), before rounding to the dtype.
  using Element = std::function<float(int64_t, int64_t, int64_t)>;
  static constexpr int64_t kLayer = 1, kHeads = 2;

  OnePage(KvFormat format, int64_t head_dim, int64_t page_tokens, DType dtype, const Element& key, const Element& value,
          bool first = false, bool wide = false, CpuIsa isa = detect_cpu_isa(), int threads = 2)
      : first_(first) {
    KvLayout& layout = pages_.layout;
    layout = {page_tokens, kHeads, 3, head_dim, dtype};
    layout.format = format;
    layout.has_summaries = format == KvFormat::kFull;
    if (wide) layout.wide_keys.insert(kLayer);
    pool_ = Buffer(3 * layout.page_bytes());
    open_ = Buffer(2 * pages_.open_layout().page_bytes());
    std::memset(pool_.data(), 0x5a, static_cast<size_t>(pool_.bytes()));
    std::memset(open_.data(), 0xff, static_cast<size_t>(open_.bytes()));
    pages_.base = static_cast<std::byte*>(pool_.data());
    pages_.open_base = static_cast<std::byte*>(open_.data());
    const KvLayout open = pages_.open_layout();
    std::byte* page = layout.is_coded() ? pages_.open_base + open.page_bytes() : slot(2);
    visit_floating(dtype, [&]<class T>() {
      for (int64_t head = 0; head < kHeads; ++head) {
        T* k = reinterpret_cast<T*>(page + open.k_block(head, kLayer));
        T* v = reinterpret_cast<T*>(page + open.v_block(head, kLayer));
        for (int64_t t = 0; t < page_tokens; ++t) {
          for (int64_t d = 0; d < head_dim; ++d) {
            k[open.k_index(t, d)] = from_float<T>(key(head, t, d));
            v[open.v_index(t, d)] = from_float<T>(value(head, t, d));
          }
        }
      }
    });
    const CpuContext context(isa, threads);
    const std::vector<int32_t> open_slots = {-1, 1}, keys = {0, 2};
    const std::vector<int32_t> values = {0, first && layout.splits_first_page() ? 0 : 2};
    if (layout.is_coded()) {
      seal_pages(context, {2, open_slots.data(), keys.data(), values.data()}, kLayer, pages_);
    } else {
      seal_pages(context, {1, nullptr, keys.data() + 1, nullptr}, kLayer, pages_);
    }
  }

  const KvLayout& layout() const { return pages_.layout; }
  bool split() const { return first_ && layout().splits_first_page(); }
  int64_t key_bits() const { return split() ? 8 : layout().k_bits(kLayer); }
  int64_t value_bits() const { return split() ? 8 : layout().v_bits(); }
  const std::byte* key_block(int64_t head) const { return slot(2) + layout().k_block(head, kLayer); }
  const std::byte* value_block(int64_t head) const {
    return split() ? slot(0) + layout().k_block(head, kLayer) : slot(2) + layout().v_block(head, kLayer);
  }
  std::byte* slot(int64_t index) const { return pages_.base + index * layout().page_bytes(); }
  CodeReader keys(int64_t head) const { return {layout(), key_block(head), key_bits()}; }
  CodeReader values(int64_t head) const { return {layout(), value_block(head), value_bits()}; }
  std::vector<std::byte> bytes() const { return {pages_.base, pages_.base + pool_.bytes()}; }

 private:
  bool first_;
  KvPages pages_;
  Buffer pool_, open_;
};

struct Stats {
  double least = 1e300, most = -1e300, mean = 0.0, deviation = 0.0;
};
Stats stats_of(const std::vector<double>& x) {
  Stats s;
  const double count = static_cast<double>(x.size());
  for (const double value : x) {
    s.least = std::min(s.least, value);
    s.most = std::max(s.most, value);
    s.mean += value / count;
  }
  for (const double value : x) s.deviation += (value - s.mean) * (value - s.mean) / count;
  s.deviation = std::sqrt(s.deviation);
  return s;
}

/// Square error of rounding to 16 levels that span all of x.
double covering_error(const std::vector<double>& x) {
  const Stats s = stats_of(x);
  const double step = (s.most - s.least) / 15.0;
  double sum = 0.0;
  for (const double value : x) {
    const double error = value - (s.least + step * std::round((value - s.least) / step));
    sum += error * error;
  }
  return sum;
}

OnePage::Element from(const std::vector<float>& numbers, int64_t page_tokens, int64_t head_dim, float scale = 1.0F) {
  return [=](int64_t head, int64_t t, int64_t d) {
    return scale * numbers[static_cast<size_t>((head * page_tokens + t) * head_dim + d)];
  };
}

// (format, first page, wide keys)
struct Case {
  KvFormat format;
  bool first, wide;
};
constexpr Case kCases[] = {{KvFormat::kKv8, false, false},  {KvFormat::kKv8, true, false},
                           {KvFormat::kK8v4, false, false}, {KvFormat::kK8v4, true, false},
                           {KvFormat::kKv4, false, false},  {KvFormat::kKv4, false, true},
                           {KvFormat::kKv4, true, false},   {KvFormat::kKv4, true, true}};

TEST(SealPages, KeepsKeysAndValuesWithinTheirSteps) {
  for (const auto& [format, first, wide] : kCases) {
    for (const int64_t head_dim : {5, 8, 16, 64, 80, 96, 128}) {
      for (const int64_t page_tokens : {16, 32, 64, 128}) {
        for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
          SCOPED_TRACE(fmt::format("{} first {} wide {} head {} page {} {}", name_of(format), first, wide, head_dim,
                                   page_tokens, name_of(dtype)));
          const auto k = normal_floats(2 * page_tokens * head_dim, 1), v = normal_floats(2 * page_tokens * head_dim, 2);
          const auto key = from(k, page_tokens, head_dim, 3.0F), value = from(v, page_tokens, head_dim, 0.2F);
          const OnePage page(format, head_dim, page_tokens, dtype, key, value, first, wide);
          for (int64_t head = 0; head < 2; ++head) {
            const CodeReader keys = page.keys(head), values = page.values(head);
            double error4 = 0.0, covering4 = 0.0;
            for (int64_t d = 0; d < head_dim; ++d) {
              std::vector<double> x;
              double error = 0.0, worst = 0.0;
              for (int64_t t = 0; t < page_tokens; ++t) {
                x.push_back(as_stored(key(head, t, d), dtype));
                ASSERT_EQ(decode_key(page.layout(), page.key_bits(), page.key_block(head), t, d), keys.key(t, d));
                worst = std::max(worst, std::abs(x.back() - keys.key(t, d)));
                error += (x.back() - keys.key(t, d)) * (x.back() - keys.key(t, d));
              }
              const Stats s = stats_of(x);
              if (page.key_bits() == 8) {
                // Scales are rounded up by 1/8 at most; the mean is not in the middle.
                ASSERT_LE(worst, std::max(s.most - s.mean, s.mean - s.least) / 127.0 * 1.13 / 2.0 * 1.01);
                ASSERT_NEAR(keys.mean(d), s.mean, 0.002 * s.deviation);
                ASSERT_NEAR(keys.deviation(d), s.deviation, 0.02 * s.deviation);
              } else {
                error4 += error;
                covering4 += covering_error(x);
                ASSERT_NEAR(keys.mean(d), s.mean, 0.02 * s.deviation);
                ASSERT_NEAR(keys.deviation(d), s.deviation, 0.02 * s.deviation);
              }
              const KeySummary summary = decode_key_summary(page.layout(), page.key_bits(), page.key_block(head), d);
              ASSERT_EQ(summary.mean, keys.mean(d));
              ASSERT_EQ(summary.deviation, keys.deviation(d));
            }
            // Ranges below the span win by more than scales of three bits lose.
            ASSERT_LE(error4, covering4 * (page_tokens < 64 ? 1.2 : 1.0));
            error4 = covering4 = 0.0;
            for (int64_t t = 0; t < page_tokens; ++t) {
              std::vector<double> x;
              double error = 0.0, worst = 0.0;
              for (int64_t d = 0; d < head_dim; ++d) {
                x.push_back(as_stored(value(head, t, d), dtype));
                ASSERT_EQ(decode_value(page.layout(), page.value_bits(), page.value_block(head), t, d),
                          values.value(t, d));
                worst = std::max(worst, std::abs(x.back() - values.value(t, d)));
                error += (x.back() - values.value(t, d)) * (x.back() - values.value(t, d));
              }
              const Stats s = stats_of(x);
              if (page.value_bits() == 8) {
                ASSERT_LE(worst, std::max(s.most, -s.least) / 127.0 / 2.0 * 1.002);
              }
              error4 += error;
              covering4 += covering_error(x);
            }
            if (page.value_bits() == 4) {
              ASSERT_LE(error4, covering4 * (head_dim < 16 ? 1.1 : head_dim < 64 ? 1.005 : 0.95));
            }
            for (int64_t d = head_dim; d < page.layout().coded_head_dim(); ++d) {
              for (int64_t t = 0; t < page_tokens; ++t) ASSERT_EQ(keys.key(t, d), 0.0) << "beyond head_dim";
            }
          }
        }
      }
    }
  }
}

TEST(SealPages, WritesNothingElse) {
  const auto numbers = normal_floats(2 * 64 * 16, 3);
  for (const auto& [format, first, wide] : kCases) {
    const auto element = from(numbers, 64, 16);
    const OnePage page(format, 16, 64, DType::kF32, element, element, first, wide);
    const KvLayout& layout = page.layout();
    std::vector<bool> written(page.bytes().size());
    const auto mark = [&](const std::byte* block, int64_t bytes) {
      std::fill_n(written.begin() + (block - page.slot(0)), bytes, true);
    };
    for (int64_t head = 0; head < 2; ++head) {
      mark(page.key_block(head), layout.k_code_bytes(page.key_bits()));
      mark(page.value_block(head), layout.v_code_bytes(page.value_bits()));
    }
    const std::vector<std::byte> bytes = page.bytes();
    for (size_t i = 0; i < written.size(); ++i) {
      ASSERT_TRUE(written[i] || bytes[i] == std::byte{0x5a}) << name_of(format) << " byte " << i;
    }
  }
}

TEST(SealPages, GivesTheSameBitsOnEveryLevelAndWithAnyThreads) {
  const auto numbers = normal_floats(2 * 64 * 96, 3);
  const auto element = from(numbers, 64, 96);
  for (const auto& [format, first, wide] : kCases) {
    const OnePage expected(format, 96, 64, DType::kBF16, element, element, first, wide, CpuIsa::kScalar, 1);
    for (const CpuIsa isa : isa_levels()) {
      const OnePage page(format, 96, 64, DType::kBF16, element, element, first, wide, isa, 3);
      EXPECT_TRUE(page.bytes() == expected.bytes()) << name_of(format) << " " << name_of(isa);
    }
  }
}

TEST(SealPages, AddsSummariesToFullPages) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    const auto numbers = normal_floats(2 * 27 * 21, 3);
    const auto element = from(numbers, 27, 21);
    const OnePage page(KvFormat::kFull, 21, 27, dtype, element, element);
    const KvLayout& layout = page.layout();
    for (int64_t head = 0; head < 2; ++head) {
      const Half* summary = reinterpret_cast<const Half*>(page.slot(2) + layout.summary_block(head, OnePage::kLayer));
      for (int64_t d = 0; d < layout.coded_head_dim(); ++d) {
        std::vector<double> x;
        for (int64_t t = 0; t < 27; ++t) x.push_back(d < 21 ? as_stored(element(head, t, d), dtype) : 0.0F);
        const Stats s = stats_of(x);
        ASSERT_NEAR(to_float(summary[d]), s.mean, 6e-4);
        ASSERT_NEAR(to_float(summary[layout.coded_head_dim() + d]), s.deviation, 6e-4);
      }
    }
  }
}

struct Extreme {
  const char* name;
  OnePage::Element element;
  double worst8, worst4;  // most that a key, and a value, may be off
};

TEST(SealPages, EndsWithFiniteCodesWhateverThePageHolds) {
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const auto random = normal_floats(2 * 64 * 16, 7);
  const auto noise = from(random, 64, 16);
  const std::vector<Extreme> extremes = {
      {"zeros", [](auto, auto, auto) { return 0.0F; }, 0.0, 0.0},
      {"constant channels", [](auto, auto, int64_t d) { return 0.37F * static_cast<float>(d) - 2.0F; }, 0.02, 0.21},
      {"denormals", [&](int64_t h, int64_t t, int64_t d) { return 1e-40F * noise(h, t, d); }, 1e-6, 1e-6},
      {"40 with deviation 1e-3", [&](int64_t h, int64_t t, int64_t d) { return 40.0F + 1e-3F * noise(h, t, d); }, 0.16,
       0.03},
      {"the range of F16", [](auto, int64_t t, int64_t d) { return (t + d) % 2 == 0 ? 65504.0F : -65504.0F; }, 260.0,
       37000.0},
      {"far beyond F16", [](auto, int64_t t, int64_t d) { return (t + d) % 2 == 0 ? 3e38F : -3e38F; }, 1e39, 1e39},
      {"NaN and infinities",
       [&](int64_t h, int64_t t, int64_t d) {
         return t == 3 ? nan : t == 5 ? infinity : t == 6 && d < 4 ? -infinity : noise(h, t, d);
       },
       1e39, 1e39},
      {"NaN alone", [&](auto, auto, auto) { return nan; }, 1e39, 1e39}};
  for (const Extreme& extreme : extremes) {
    for (const auto& [format, first, wide] : kCases) {
      SCOPED_TRACE(fmt::format("{} {} first {} wide {}", extreme.name, name_of(format), first, wide));
      const OnePage page(format, 16, 64, DType::kF32, extreme.element, extreme.element, first, wide);
      const OnePage again(format, 16, 64, DType::kF32, extreme.element, extreme.element, first, wide);
      EXPECT_TRUE(page.bytes() == again.bytes());
      for (int64_t head = 0; head < 2; ++head) {
        for (int64_t t = 0; t < 64; ++t) {
          for (int64_t d = 0; d < 16; ++d) {
            const double key = page.keys(head).key(t, d), value = page.values(head).value(t, d);
            const double exact = extreme.element(head, t, d);
            ASSERT_LE(std::abs(key), 140000.0) << "finite, near F16's range";
            ASSERT_LE(std::abs(value), 140000.0);
            if (extreme.name == std::string("NaN alone")) {
              ASSERT_EQ(key, 0.0);
              ASSERT_EQ(value, 0.0);
            }
            if (!(std::abs(exact) < 1e30)) continue;
            ASSERT_LE(std::abs(key - exact), page.key_bits() == 8 ? extreme.worst8 : extreme.worst4) << t << " " << d;
            ASSERT_LE(std::abs(value - exact), page.value_bits() == 8 ? extreme.worst8 : extreme.worst4);
          }
        }
      }
    }
  }
}

// Offsets are halves, which are 1/32 apart at 40: the range starts at the half below, not at the nearest.
TEST(SealPages, KeepsWhatTellsKeysOfALargeBiasApart) {
  const auto numbers = normal_floats(2 * 64 * 16, 9);
  const auto element = [&](int64_t h, int64_t t, int64_t d) {
    return 40.0F + 0.003F * static_cast<float>(d) + 1e-2F * from(numbers, 64, 16)(h, t, d);
  };
  const OnePage page(KvFormat::kKv4, 16, 64, DType::kF32, element, element);
  double noise = 0.0;
  for (int64_t t = 0; t < 64; ++t) {
    for (int64_t d = 0; d < 16; ++d) noise += std::pow(page.keys(0).key(t, d) - element(0, t, d), 2.0) / (64 * 16);
  }
  EXPECT_LT(std::sqrt(noise), 0.14e-2);  // of a deviation of 1e-2; from the nearest half it is 0.17e-2
}

TEST(SealPagesErrors, AreNamed) {
  const CpuContext context;
  Buffer pool(1 << 16), open(1 << 16);
  KvPages pages{static_cast<std::byte*>(pool.data()), {16, 1, 2, 8, DType::kF32}, static_cast<std::byte*>(open.data())};
  pages.layout.format = KvFormat::kKv8;
  const std::vector<int32_t> zero = {0}, one = {1};
  const FilledPages filled = {1, zero.data(), zero.data(), zero.data()};
  seal_pages(context, filled, 0, pages);
  EXPECT_THROW(seal_pages(context, filled, 2, pages), ShapeError);                                     // layer
  EXPECT_THROW(seal_pages(context, {1, zero.data(), zero.data(), one.data()}, 0, pages), ShapeError);  // kKv8 in two
  EXPECT_THROW(seal_pages(context, {1, nullptr, zero.data(), zero.data()}, 0, pages), Error);
  pages.layout.page_tokens = 24;
  EXPECT_THROW(seal_pages(context, filled, 0, pages), ShapeError);
}

}  // namespace
}  // namespace lockstep::test
