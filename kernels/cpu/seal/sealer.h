// Writes the sealed form of one (page, head) shard of a layer: codes of keys and values, or a summary.
#pragma once

#include "kernels/cpu/seal/code_channel.h"

#include <algorithm>
#include <vector>

namespace lockstep::cpu {
namespace {

/// Reads n elements, `stride` apart, as finite floats.
template <class T>
void load_floats(const T* from, int64_t stride, int64_t n, float* to) {
  for (int64_t i = 0; i < n; ++i) to[i] = finite(to_float(from[i * stride]));
}
/// to_float() of a half is a call; this one becomes vector code. Infinities clamp as they do there, NaN counts as 0.
template <>
void load_floats(const Half* from, int64_t stride, int64_t n, float* to) {
  for (int64_t i = 0; i < n; ++i) {
    const uint16_t bits = from[i * stride].bits;
    to[i] = (bits & 0x7fffU) > 0x7c00U ? 0.0F : finite(half_bits_to_float(bits));
  }
}

struct Moments {
  float mean, deviation;
};

Moments moments_of(const float* x, int64_t n) {
  const float mean = mean_of(x, n);
  const float squares = sum_of(n, [&](int64_t i) {
    const Vec::F distance = Vec::sub(Vec::load(x + i), Vec::set1(mean));
    return Vec::mul(distance, distance);
  });
  return {mean, std::sqrt(squares / static_cast<float>(n))};
}

/// To the nearest of 0 … 255.
uint8_t byte_of(float x) { return static_cast<uint8_t>(std::nearbyint(std::min(std::max(x, 0.0F), 255.0F))); }

/// One (page, head) shard of one layer.
template <class T>
class Sealer {
 public:
  Sealer(const KvLayout& layout, const KvLayout& open, int64_t head, int64_t layer)
      : layout_(layout),
        open_(open),
        tokens_(layout.page_tokens),
        dims_(layout.head_dim),
        coded_dims_(layout.coded_head_dim()),
        k_from_(open.k_block(head, layer)),
        v_from_(open.v_block(head, layer)),
        x_(static_cast<size_t>(std::max(tokens_, coded_dims_))),
        codes_(x_.size()),
        best_(x_.size()) {}

  void keys(const std::byte* page, std::byte* block, int64_t bits) {
    const KeyCodes at(layout_, bits);
    auto* to = reinterpret_cast<uint8_t*>(block);
    std::memset(to, 0, static_cast<size_t>(layout_.k_code_bytes(bits)));
    for (int64_t d = 0; d < coded_dims_; ++d) {
      load_channel(page, d);
      const CodedKeys coded = bits == 8 ? code_keys8(x_.data(), tokens_, codes_.data())
                                        : code_keys4(x_.data(), tokens_, codes_.data(), best_.data());
      const uint16_t offset = to_half(coded.offset).bits;
      std::memcpy(to + at.offsets + 2 * d, &offset, 2);
      to[at.scales + d] = coded.scale;
      const Moments moments = moments_of(x_.data(), tokens_);
      const float scale = scale_of_code(coded.scale);
      if (bits == 8) {
        to[at.stds + d] = byte_of(moments.deviation / scale * 2.0F);
        uint8_t* codes = to + d / 4 * tokens_ * 4 + d % 4;
        for (int64_t t = 0; t < tokens_; ++t) codes[t * 4] = static_cast<uint8_t>(code_at(t) + 128);
      } else {
        to[at.means + d] = byte_of((moments.mean - coded.offset) / scale * 16.0F);
        to[at.stds + d] = byte_of(moments.deviation / scale * 32.0F);
        uint8_t* codes = to + d / 8 * tokens_ * 4 + d % 4;
        const int shift = d % 8 < 4 ? 0 : 4;
        for (int64_t t = 0; t < tokens_; ++t) {
          codes[t * 4] = static_cast<uint8_t>(codes[t * 4] | code_at(t) << shift);
        }
      }
    }
  }

  void values(const std::byte* page, std::byte* block, int64_t bits) {
    const ValueCodes at(layout_, bits);
    auto* to = reinterpret_cast<uint8_t*>(block);
    std::memset(to, 0, static_cast<size_t>(layout_.v_code_bytes(bits)));
    const T* from = reinterpret_cast<const T*>(page + v_from_);
    for (int64_t t = 0; t < tokens_; ++t) {
      load_floats(from + open_.v_index(t, 0), 1, dims_, x_.data());
      // Dimensions beyond head_dim must not widen the range: they repeat the first one.
      for (int64_t d = dims_; d < coded_dims_; ++d) x_[static_cast<size_t>(d)] = x_[0];
      const CodedValues coded = bits == 8 ? code_values8(x_.data(), coded_dims_, codes_.data())
                                          : code_values4(x_.data(), coded_dims_, codes_.data(), best_.data());
      std::memcpy(to + at.scales + 2 * t, &coded.scale.bits, 2);
      if (bits == 4) std::memcpy(to + at.lows + 2 * t, &coded.low.bits, 2);
      const bool wide = bits == 8;
      uint8_t* codes = to + (wide ? t / 4 : t / 8) * coded_dims_ * 4 + t % 4;
      const int shift = !wide && t % 8 >= 4 ? 4 : 0;
      for (int64_t d = 0; d < dims_; ++d) {
        codes[d * 4] = static_cast<uint8_t>(codes[d * 4] | (code_at(d) & 0xff) << shift);
      }
    }
  }

  /// Pages of any number of tokens.
  void summary(const std::byte* page, std::byte* block) {
    auto* means = reinterpret_cast<Half*>(block);
    for (int64_t d = 0; d < coded_dims_; ++d) {
      load_channel(page, d);
      double sum = 0.0, squares = 0.0;
      for (int64_t t = 0; t < tokens_; ++t) sum += x_[static_cast<size_t>(t)];
      const double mean = sum / static_cast<double>(tokens_);
      for (int64_t t = 0; t < tokens_; ++t)
        squares += (x_[static_cast<size_t>(t)] - mean) * (x_[static_cast<size_t>(t)] - mean);
      means[d] = half_within_range(static_cast<float>(mean));
      means[coded_dims_ + d] = half_within_range(static_cast<float>(std::sqrt(squares / static_cast<double>(tokens_))));
    }
  }

 private:
  int code_at(int64_t i) const { return static_cast<int>(codes_[static_cast<size_t>(i)]); }
  void load_channel(const std::byte* page, int64_t d) {
    if (d >= dims_) return std::fill(x_.begin(), x_.end(), 0.0F);
    load_floats(reinterpret_cast<const T*>(page + k_from_) + open_.k_index(0, d), 2, tokens_, x_.data());
  }

  const KvLayout& layout_;
  const KvLayout& open_;
  int64_t tokens_, dims_, coded_dims_, k_from_, v_from_;
  std::vector<float> x_, codes_, best_;
};

}  // namespace
}  // namespace lockstep::cpu
