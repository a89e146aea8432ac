// Changes of format: the bits of sealing where the source is full, errors that stay within a step of the coarser codes
// elsewhere.
#include "kernels/transcode.h"

#include "kernels/kv_decode.h"
#include "tests/kernels/sealed_support.h"

#include <gtest/gtest.h>

namespace lockstep::test {
namespace {

constexpr int64_t kLayers = 2, kLayer = 1;

KvLayout layout_of(KvFormat format, int64_t head_dim, DType dtype, bool wide = false) {
  KvLayout layout{.page_tokens = 32, .num_kv_heads = 1, .num_layers = kLayers, .head_dim = head_dim, .dtype = dtype};
  layout.format = format;
  if (wide && format == KvFormat::kKv4) layout.wide_keys.insert(kLayer);
  return layout;
}

using Block = std::vector<std::byte>;

Block in_format(const Block& source, const KvLayout& from, const KvLayout& to) {
  Block target(static_cast<size_t>(to.layer_bytes(kLayer)), std::byte{0x5a});
  transcode_block(from, source.data(), to, target.data(), kLayer);
  return target;
}

// Channels of different spans and means, as keys have them.
Block full_block(const KvLayout& layout, uint64_t seed) {
  Block block(static_cast<size_t>(layout.layer_bytes(kLayer)));
  const auto normal = normal_floats(layout.page_tokens * layout.head_dim * 2, seed);
  visit_floating(layout.dtype, [&]<class T>() {
    T* k = reinterpret_cast<T*>(block.data());
    T* v = reinterpret_cast<T*>(block.data() + layout.k_bytes(kLayer));
    size_t next = 0;
    for (int64_t t = 0; t < layout.page_tokens; ++t) {
      for (int64_t d = 0; d < layout.head_dim; ++d) {
        const auto channel = static_cast<float>(d % 5);
        k[layout.k_index(t, d)] = from_float<T>(normal[next++] * (0.5F + channel) + 3.0F * channel);
        v[layout.v_index(t, d)] = from_float<T>(normal[next++]);
      }
    }
  });
  return block;
}

struct Numbers {
  std::vector<double> keys, values;  // [token][dim]
};

Numbers numbers_of(const KvLayout& layout, const Block& block) {
  Numbers numbers;
  const std::byte* v = block.data() + layout.k_bytes(kLayer);
  for (int64_t t = 0; t < layout.page_tokens; ++t) {
    for (int64_t d = 0; d < layout.head_dim; ++d) {
      if (layout.is_coded()) {
        numbers.keys.push_back(decode_key(layout, layout.k_bits(kLayer), block.data(), t, d));
        numbers.values.push_back(decode_value(layout, layout.v_bits(), v, t, d));
        continue;
      }
      visit_floating(layout.dtype, [&]<class T>() {
        numbers.keys.push_back(to_float(reinterpret_cast<const T*>(block.data())[layout.k_index(t, d)]));
        numbers.values.push_back(to_float(reinterpret_cast<const T*>(v)[layout.v_index(t, d)]));
      });
    }
  }
  return numbers;
}

// Root of the mean square of the difference, by that of what is right.
double error_of(const std::vector<double>& found, const std::vector<double>& right) {
  double squares = 0.0, all = 0.0;
  for (size_t i = 0; i < right.size(); ++i) {
    squares += (found[i] - right[i]) * (found[i] - right[i]);
    all += right[i] * right[i];
  }
  return std::sqrt(squares / all);
}

TEST(Transcode, FromFullGivesTheBitsOfSealing) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const int64_t head_dim : {8, 24, 33}) {
      for (const KvFormat format : {KvFormat::kKv8, KvFormat::kK8v4, KvFormat::kKv4}) {
        for (const bool wide : {false, true}) {
          const KvLayout full = layout_of(KvFormat::kFull, head_dim, dtype),
                         coded = layout_of(format, head_dim, dtype, wide);
          const Block block = full_block(full, 5);
          Block open(static_cast<size_t>(full.page_bytes())), sealed(static_cast<size_t>(coded.page_bytes()));
          std::copy(block.begin(), block.end(), open.begin() + full.k_block(0, kLayer));
          const CpuContext context(detect_cpu_isa(), 1);
          const int32_t slot = 0;
          KvPages pages{sealed.data(), coded, open.data()};
          seal_pages(context, {1, &slot, &slot, &slot}, kLayer, pages);
          const Block expected(sealed.begin() + coded.k_block(0, kLayer),
                               sealed.begin() + coded.k_block(0, kLayer) + coded.layer_bytes(kLayer));
          ASSERT_EQ(in_format(block, full, coded), expected)
              << name_of(dtype) << " " << head_dim << " " << name_of(format) << " " << wide;
        }
      }
    }
  }
}

TEST(Transcode, ToFullIsWhatTheCodesSay) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const int64_t head_dim : {8, 33}) {
      for (const KvFormat format : {KvFormat::kKv8, KvFormat::kK8v4, KvFormat::kKv4}) {
        const KvLayout full = layout_of(KvFormat::kFull, head_dim, dtype),
                       coded = layout_of(format, head_dim, dtype, true);
        const Block codes = in_format(full_block(full, 7), full, coded);
        const Numbers found = numbers_of(full, in_format(codes, coded, full)), right = numbers_of(coded, codes);
        for (size_t i = 0; i < right.keys.size(); ++i) {
          visit_floating(dtype, [&]<class T>() {
            ASSERT_EQ(found.keys[i], to_float(from_float<T>(static_cast<float>(right.keys[i]))));
            ASSERT_EQ(found.values[i], to_float(from_float<T>(static_cast<float>(right.values[i]))));
          });
        }
      }
    }
  }
}

// By way of another format a page loses a little more than when it is sealed at once.
TEST(Transcode, ErrorsStayNearThoseOfSealing) {
  const KvLayout full = layout_of(KvFormat::kFull, 64, DType::kBF16);
  const Block block = full_block(full, 11);
  const Numbers right = numbers_of(full, block);
  constexpr std::array kFormats = {KvFormat::kKv8, KvFormat::kK8v4, KvFormat::kKv4};
  for (const KvFormat first : kFormats) {
    for (const KvFormat second : kFormats) {
      if (second <= first) continue;
      const KvLayout wide = layout_of(first, 64, DType::kBF16), narrow = layout_of(second, 64, DType::kBF16);
      const Numbers direct = numbers_of(narrow, in_format(block, full, narrow));
      const Numbers twice = numbers_of(narrow, in_format(in_format(block, full, wide), wide, narrow));
      EXPECT_LE(error_of(twice.keys, right.keys), 1.05 * error_of(direct.keys, right.keys)) << name_of(second);
      EXPECT_LE(error_of(twice.values, right.values), 1.05 * error_of(direct.values, right.values)) << name_of(second);
      EXPECT_GT(error_of(direct.values, right.values), 0.0);
    }
  }
}

// Means and scales are those of what was decoded: a scale of keys of 8 bits, which covers the largest distance from the
// mean, grows by a step of an eighth where that mean is another half than before.
TEST(Transcode, RoundTripsDriftSlowly) {
  for (const KvFormat format : {KvFormat::kKv8, KvFormat::kK8v4, KvFormat::kKv4}) {
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      const KvLayout full = layout_of(KvFormat::kFull, 64, dtype), coded = layout_of(format, 64, dtype);
      const Block block = full_block(full, 13);
      const Numbers right = numbers_of(full, block);
      Block page = block;
      double first_keys = 0.0, first_values = 0.0;
      for (int round = 0; round < 8; ++round) {
        page = in_format(in_format(page, full, coded), coded, full);
        const Numbers found = numbers_of(full, page);
        const double keys = error_of(found.keys, right.keys), values = error_of(found.values, right.values);
        if (round == 0) first_keys = keys, first_values = values;
        EXPECT_LE(keys, (1.0 + 0.25 * round) * first_keys) << name_of(format) << " " << round;
        EXPECT_LE(values, 1.05 * first_values) << name_of(format) << " " << round;
      }
    }
  }
}

TEST(Transcode, SummariesAreOfTheDecodedNumbers) {
  KvLayout full = layout_of(KvFormat::kFull, 16, DType::kBF16);
  const KvLayout coded = layout_of(KvFormat::kKv4, 16, DType::kBF16);
  const Block codes = in_format(full_block(full, 17), full, coded);
  full.has_summaries = true;
  const Block page = in_format(codes, coded, full);
  const Numbers numbers = numbers_of(full, page);
  const auto* means = reinterpret_cast<const Half*>(page.data() + full.k_bytes(kLayer) + full.v_bytes());
  for (size_t d = 0; d < 16; ++d) {
    double sum = 0.0;
    for (size_t t = 0; t < 32; ++t) sum += numbers.keys[t * 16 + d];
    EXPECT_NEAR(to_float(means[d]), sum / 32, std::abs(sum / 32) * 1e-3 + 1e-6);
  }
}

TEST(Transcode, RefusesOtherShapes) {
  const KvLayout full = layout_of(KvFormat::kFull, 16, DType::kBF16);
  Block source(static_cast<size_t>(full.layer_bytes(0))), target = source;
  EXPECT_THROW(transcode_block(full, source.data(), layout_of(KvFormat::kKv8, 8, DType::kBF16), target.data(), 0),
               ShapeError);
  EXPECT_THROW(transcode_block(full, source.data(), layout_of(KvFormat::kKv8, 16, DType::kBF16), target.data(), 2),
               ShapeError);
  EXPECT_THROW(transcode_block(full, source.data(), full, target.data(), 0), ShapeError);
}

}  // namespace
}  // namespace lockstep::test
