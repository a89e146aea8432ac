#include "kernels/transcode.h"

#include "core/error.h"
#include "kernels/cpu/seal/sealer.h"

#include <cstring>
#include <vector>

namespace lockstep {
namespace {

using namespace cpu;

/// One block of an open page.
KvLayout open_block(const KvLayout& layout, DType dtype) {
  return {.page_tokens = layout.page_tokens,
          .num_kv_heads = 1,
          .num_layers = 1,
          .head_dim = layout.head_dim,
          .dtype = dtype};
}

float half_at(const uint8_t* bytes, int64_t offset) {
  Half half;
  std::memcpy(&half, bytes + offset, sizeof(half));
  return to_float(half);
}

// As decode_key() and decode_value() (kernels/kv_decode.h), rounded once: products of a scale and a code are exact.
class Decoder {
 public:
  Decoder(const KvLayout& layout, const std::byte* block, int64_t layer)
      : tokens_(layout.page_tokens),
        dims_(layout.head_dim),
        coded_dims_(layout.coded_head_dim()),
        k_bits_(layout.k_bits(layer)),
        v_bits_(layout.v_bits()),
        keys_(layout, k_bits_),
        values_(layout, v_bits_),
        k_(reinterpret_cast<const uint8_t*>(block)),
        v_(k_ + layout.k_bytes(layer)) {}

  /// [dim / 2][token][dim % 2], as KvLayout::k_index().
  void keys(float* to) const {
    for (int64_t d = 0; d < dims_; ++d) {
      const float offset = half_at(k_, keys_.offsets + 2 * d), scale = scale_of_code(k_[keys_.scales + d]);
      float* out = to + d / 2 * tokens_ * 2 + d % 2;
      if (k_bits_ == 8) {
        const uint8_t* codes = k_ + d / 4 * tokens_ * 4 + d % 4;
        for (int64_t t = 0; t < tokens_; ++t) out[2 * t] = offset + scale * static_cast<float>(codes[4 * t] - 128);
      } else {
        const uint8_t* codes = k_ + d / 8 * tokens_ * 4 + d % 4;
        const int shift = d % 8 < 4 ? 0 : 4;
        for (int64_t t = 0; t < tokens_; ++t) {
          out[2 * t] = offset + scale * static_cast<float>(codes[4 * t] >> shift & 15);
        }
      }
    }
  }

  /// [token][dim]
  void values(float* to) const {
    for (int64_t t = 0; t < tokens_; ++t) {
      const float scale = half_at(v_, values_.scales + 2 * t);
      float* out = to + t * dims_;
      if (v_bits_ == 8) {
        const auto* codes = reinterpret_cast<const int8_t*>(v_) + t / 4 * coded_dims_ * 4 + t % 4;
        for (int64_t d = 0; d < dims_; ++d) out[d] = scale * static_cast<float>(codes[4 * d]);
      } else {
        const float low = half_at(v_, values_.lows + 2 * t);
        const uint8_t* codes = v_ + t / 8 * coded_dims_ * 4 + t % 4;
        const int shift = t % 8 < 4 ? 0 : 4;
        for (int64_t d = 0; d < dims_; ++d) out[d] = low + scale * static_cast<float>(codes[4 * d] >> shift & 15);
      }
    }
  }

 private:
  int64_t tokens_, dims_, coded_dims_, k_bits_, v_bits_;
  KeyCodes keys_;
  ValueCodes values_;
  const uint8_t* k_;
  const uint8_t* v_;
};

template <class T>
void write_codes(const KvLayout& to, const std::byte* open_page, std::byte* target, int64_t layer) {
  const KvLayout open = open_block(to, kDTypeOf<T>);
  Sealer<T> sealer(to, open, 0, 0);
  sealer.keys(open_page, target, to.k_bits(layer));
  sealer.values(open_page, target + to.k_bytes(layer), to.v_bits());
}

void copy_same_bits(const KvLayout& from, const std::byte* source, const KvLayout& to, std::byte* target,
                    int64_t layer) {
  if (from.k_bits(layer) == to.k_bits(layer)) {
    std::memcpy(target, source, static_cast<size_t>(to.k_bytes(layer)));
  }
  if (from.v_bits() == to.v_bits()) {
    std::memcpy(target + to.k_bytes(layer), source + from.k_bytes(layer), static_cast<size_t>(to.v_bytes()));
  }
}

template <class T>
void write_full(const KvLayout& to, const float* keys, const float* values, std::byte* target) {
  T* k = reinterpret_cast<T*>(target);
  T* v = reinterpret_cast<T*>(target + to.k_bytes(0));
  for (int64_t i = 0; i < to.page_tokens * to.padded_head_dim(); ++i) k[i] = from_float<T>(finite(keys[i]));
  for (int64_t i = 0; i < to.page_tokens * to.head_dim; ++i) v[i] = from_float<T>(finite(values[i]));
  if (!to.has_summaries) return;
  const KvLayout open = open_block(to, to.dtype);
  Sealer<T>(to, open, 0, 0).summary(target, target + to.k_bytes(0) + to.v_bytes());
}

}  // namespace

void transcode_block(const KvLayout& from, const std::byte* source, const KvLayout& to, std::byte* target,
                     int64_t layer) {
  LS_REQUIRE(ShapeError,
             from.page_tokens == to.page_tokens && from.head_dim == to.head_dim && from.dtype == to.dtype &&
                 from.num_layers == to.num_layers && layer >= 0 && layer < from.num_layers,
             "transcode: layer {} of pages of {} tokens, {} layers, head size {}, {} and of {}, {}, {}, {}", layer,
             from.page_tokens, from.num_layers, from.head_dim, name_of(from.dtype), to.page_tokens, to.num_layers,
             to.head_dim, name_of(to.dtype));
  std::memset(target, 0, static_cast<size_t>(to.layer_bytes(layer)));
  visit_floating(from.dtype, [&]<class T>() {
    if (!from.is_coded()) {
      LS_REQUIRE(ShapeError, to.is_coded(), "transcode: from {} to {}", name_of(from.format), name_of(to.format));
      return write_codes<T>(to, source, target, layer);
    }
    const KvLayout open = open_block(from, DType::kF32);
    std::vector<std::byte> page(static_cast<size_t>(open.head_bytes()));
    const Decoder decoder(from, source, layer);
    auto* keys = reinterpret_cast<float*>(page.data() + open.k_block(0, 0));
    auto* values = reinterpret_cast<float*>(page.data() + open.v_block(0, 0));
    decoder.keys(keys);
    decoder.values(values);
    if (!to.is_coded()) return write_full<T>(to, keys, values, target);
    write_codes<float>(to, page.data(), target, layer);
    copy_same_bits(from, source, to, target, layer);
  });
}

}  // namespace lockstep
