#include "kernels/key_noise.h"

#include "core/error.h"
#include "kernels/cpu/seal/code_channel.h"

#include <vector>

namespace lockstep {
namespace {

using Channels = std::vector<std::vector<float>>;  // [dim][token]

Channels load_channels(const KvLayout& layout, const std::byte* block) {
  Channels channels(static_cast<size_t>(layout.head_dim), std::vector<float>(static_cast<size_t>(layout.page_tokens)));
  visit_floating(layout.dtype, [&]<class T>() {
    const T* keys = reinterpret_cast<const T*>(block);
    for (int64_t d = 0; d < layout.head_dim; ++d) {
      for (int64_t t = 0; t < layout.page_tokens; ++t) {
        channels[static_cast<size_t>(d)][static_cast<size_t>(t)] = cpu::finite(to_float(keys[layout.k_index(t, d)]));
      }
    }
  });
  return channels;
}

double spread_of(const std::vector<double>& x) {
  double sum = 0.0, square = 0.0;
  for (const double value : x) sum += value;
  const double mean = sum / static_cast<double>(x.size());
  for (const double value : x) square += (value - mean) * (value - mean);
  return square;
}

}  // namespace

KeyNoise key_noise(const KvLayout& layout, const std::byte* page, int64_t head, int64_t layer, int64_t first_position,
                   const RopeTable* table) {
  LS_REQUIRE(ShapeError, !layout.is_coded() && layout.page_tokens % 16 == 0,
             "key_noise: a page in the model's dtype of a multiple of 16 tokens is needed, not {} tokens in {}",
             layout.page_tokens, name_of(layout.format));
  const int64_t tokens = layout.page_tokens, dims = layout.head_dim, half = dims / 2;
  if (table != nullptr) {
    LS_REQUIRE(ShapeError, dims % 2 == 0 && table->cos.size(1) == half, "key_noise: {} dimensions, a table of {} pairs",
               dims, table->cos.size(1));
    LS_REQUIRE(ShapeError, first_position >= 0 && first_position + tokens <= table->cos.size(0),
               "key_noise: positions [{}, {}) of a table of {}", first_position, first_position + tokens,
               table->cos.size(0));
  }
  const Channels keys = load_channels(layout, page + layout.k_block(head, layer));
  KeyNoise result;
  std::vector<float> codes(static_cast<size_t>(tokens)), best(codes.size());
  for (const std::vector<float>& channel : keys) {
    const cpu::CodedKeys coded = cpu::code_keys4(channel.data(), tokens, codes.data(), best.data());
    const double scale = scale_of_code(coded.scale);
    for (size_t t = 0; t < channel.size(); ++t) {
      const double error = channel[t] - (coded.offset + scale * codes[t]);
      result.noise += error * error;
    }
  }
  std::vector<double> one(codes.size()), other(codes.size());
  if (table == nullptr) {
    for (const std::vector<float>& channel : keys) {
      result.signal += spread_of({channel.begin(), channel.end()});
    }
    return result;
  }
  for (int64_t i = 0; i < half; ++i) {
    for (int64_t t = 0; t < tokens; ++t) {
      const int64_t at = first_position + t;
      const double cos = table->cos.as<float>()[at * table->cos.stride(0) + i];
      const double sin = table->sin.as<float>()[at * table->sin.stride(0) + i];
      const double length = std::hypot(cos, sin);
      const double a = keys[static_cast<size_t>(i)][static_cast<size_t>(t)];
      const double b = keys[static_cast<size_t>(i + half)][static_cast<size_t>(t)];
      one[static_cast<size_t>(t)] = (a * cos + b * sin) / length;
      other[static_cast<size_t>(t)] = (b * cos - a * sin) / length;
    }
    result.signal += spread_of(one) + spread_of(other);
  }
  return result;
}

}  // namespace lockstep
