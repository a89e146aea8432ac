// Attention over one sealed page: scores and weighted values straight from its codes (kernels/kv_codes.h), over `Vec`.
//
// Scores. The channels' scales are folded into the query, x_c = q_c * scale_c, and x is rounded to integers relative to
// m = max |x_c|: for codes of 8 bits to n_c = round(x_c * 16256 / m), two signed planes of bytes n = 128 high + low
// with |high| <= 127 and -64 <= low < 64; for codes of 4 bits to n_c = round(x_c * 127 / m), one plane. Then
//   score = Σ_c q_c * centre_c + (m / 16256 or m / 127) * Σ_c n_c * (code_c - middle)
// with centre = offset, middle = 128 of 8 bits and centre = offset + 8 scale, middle = 8 of 4. The second sum is exact.
// One plane suffices for 4 bits: rounding x adds at most 6 % to the error that rounding keys has made (m is at most
// sqrt(D) times the root mean square of x), 0.4 % where x is normal.
//
// Values. The tokens' scales are folded into the probabilities, w_t = p_t * scale_t, rounded relative to m = max w_t of
// the page: of 8 bits n_t = round(w_t * 65535 / m), two unsigned planes, n = 256 high + low; of 4 bits n_t = round(w_t
// * 255 / m), one plane. Then
//   sum_d += (m / 65535 or m / 255) * Σ_t n_t * (code_td - middle) + Σ_t p_t * centre_t
// with middle 0 and no centre of 8 bits, and middle = 8, centre = low + 8 scale of 4. Tokens out of sight weigh 0.
//
// All integers are below 2^31, the same on every instruction set and in every tile. All tokens of a page are always
// multiplied, so that the bits of a query depend on nothing else.
#pragma once

#include "kernels/cpu/attention/code_blocks.h"
#include "kernels/cpu/attention/scratch.h"

namespace lockstep::cpu {
namespace {

class CodedPage {
 public:
  CodedPage(const AttentionTile& tile, const Scratch& at)
      : head_dim_(tile.head_dim),
        page_tokens_(tile.page_tokens),
        dims_(Scratch::round_up(tile.head_dim)),
        row_stride_(2 * (dims_ > page_tokens_ ? dims_ : page_tokens_)),
        queries_(reinterpret_cast<float*>(tile.scratch + at.padded_queries)),
        packed_(reinterpret_cast<uint8_t*>(tile.scratch + at.packed)),
        steps_(reinterpret_cast<float*>(tile.scratch + at.numbers)),
        bases_(steps_ + tile.num_tokens * tile.group),
        initial_(reinterpret_cast<int32_t*>(bases_ + tile.num_tokens * tile.group)),
        channel_scales_(reinterpret_cast<float*>(tile.scratch + at.channels)),
        channel_centres_(channel_scales_ + dims_),
        token_scales_(reinterpret_cast<float*>(tile.scratch + at.tokens)),
        token_centres_(token_scales_ + page_tokens_) {}

  /// Query `index` of the tile.
  void pack_query(int64_t index, const float* q) {
    float* to = queries_ + index * dims_;
    for (int64_t d = 0; d < dims_; ++d) to[d] = d < head_dim_ ? q[d] : 0.0F;
  }

  /// scores[query][token] of all tokens of a page.
  void score(const std::byte* slot, const CodedBlock& keys, int64_t num_queries, float* scores, int64_t stride,
             Upcoming upcoming) {
    if (keys.bits == 8) return score<8>(slot, keys, num_queries, scores, stride, upcoming);
    score<4>(slot, keys, num_queries, scores, stride, upcoming);
  }

  /// Readies weigh() for a page of values.
  void begin_values(const std::byte* slot, const CodedBlock& values) {
    const std::byte* block = slot + values.block;
    const Half* scales = reinterpret_cast<const Half*>(block + values.scales);
    const Half* lows = reinterpret_cast<const Half*>(block + values.offsets);
    for (int64_t t = 0; t < page_tokens_; t += Vec::kWidth) {
      const Vec::F scale = Vec::load(scales + t);
      Vec::store(token_scales_ + t, scale);
      if (values.bits == 4) Vec::store(token_centres_ + t, Vec::fma(Vec::set1(8.0F), scale, Vec::load(lows + t)));
    }
  }

  /// sums[query] += weights of the query · values; `weights` are probabilities within [begin, end), whole vectors, and
  /// are overwritten.
  void pack_weights(int64_t query, const CodedBlock& values, float* weights, int64_t begin, int64_t end) {
    if (values.bits == 8) return pack_weights<8>(query, weights, begin, end);
    pack_weights<4>(query, weights, begin, end);
  }
  void weigh(const std::byte* slot, const CodedBlock& values, int64_t num_queries, float* sums, int64_t stride,
             Upcoming upcoming) {
    if (values.bits == 8) return weigh<8>(slot, values, num_queries, sums, stride, upcoming);
    weigh<4>(slot, values, num_queries, sums, stride, upcoming);
  }

 private:
  static constexpr int planes_of(int bits) { return bits == 8 ? 2 : 1; }
  template <int kBits>
  using KeyProduct = CodeProduct<kBits, planes_of(kBits), true>;
  template <int kBits>
  using ValueProduct = CodeProduct<kBits, planes_of(kBits), false>;

  /// m / most and its inverse; both 0 where m is so small that the inverse would overflow.
  struct Step {
    float size, inverse;
  };
  static Step step_of(float m, float most) {
    if (m < 1e-30F) return {0.0F, 0.0F};
    return {m * (1.0F / most), most / m};
  }

  template <int kBits>
  void load_channels(const std::byte* block, const CodedBlock& keys) {
    const Half* offsets = reinterpret_cast<const Half*>(block + keys.offsets);
    const uint8_t* codes = reinterpret_cast<const uint8_t*>(block + keys.scales);
    // scale_of_code(), without sharing an inline function with files of other levels.
    const Bytes::I first = Bytes::broadcast(107 << 3);
    for (int64_t d = dims_ - 16; d < dims_; d += Vec::kWidth) {
      Vec::store(channel_scales_ + d, Vec::zero());
      Vec::store(channel_centres_ + d, Vec::zero());
    }
    for_each_vector((head_dim_ + 7) / 8 * 8, [&](int64_t d, auto lanes) {
      // Scales beyond the last channel are read from what follows in the block: finite, and multiplied by 0.
      const Vec::F scale = Bytes::as_float(Bytes::shift_left<20>(Bytes::add(Bytes::load_bytes(codes + d), first)));
      Vec::F centre = load(offsets + d, lanes);
      if (kBits == 4) centre = Vec::fma(Vec::set1(8.0F), scale, centre);
      Vec::store(channel_scales_ + d, scale);
      Vec::store(channel_centres_ + d, centre);
    });
  }

  template <int kBits>
  void fold_query(int64_t query) {
    const float* q = queries_ + query * dims_;
    Vec::F most = Vec::zero(), base = Vec::zero();
    for (int64_t d = 0; d < dims_; d += Vec::kWidth) {
      const Vec::F x = Vec::mul(Vec::load(q + d), Vec::load(channel_scales_ + d));
      most = Vec::max(Bytes::magnitude(x), most);
      base = Vec::fma(Vec::load(q + d), Vec::load(channel_centres_ + d), base);
    }
    const Step step = step_of(Bytes::highest(most), kBits == 8 ? 16256.0F : 127.0F);
    const Vec::F inverse = Vec::set1(step.inverse);
    uint8_t* to = packed_ + query * row_stride_;
    Bytes::I sum = Bytes::broadcast(0);
    for (int64_t d = 0; d < dims_; d += Vec::kWidth) {
      const Vec::F x = Vec::mul(Vec::load(q + d), Vec::load(channel_scales_ + d));
      const Bytes::I n = Bytes::round(Vec::mul(x, inverse));
      sum = Bytes::add(sum, n);
      if (kBits == 4) {
        Bytes::store_bytes(to + d, n);
      } else {
        const Bytes::I high = Bytes::shift_right<7>(Bytes::add(n, Bytes::broadcast(64)));
        Bytes::store_bytes(to + d, high);
        Bytes::store_bytes(to + dims_ + d, Bytes::sub(n, Bytes::shift_left<7>(high)));
      }
    }
    steps_[query] = step.size;
    bases_[query] = Bytes::total(base);
    // Less the middle of the codes: of 8 bits, 128 Σ n is Σ n in the plane that counts 128-fold.
    if (kBits == 4) {
      initial_[query] = -8 * Bytes::sum(sum);
    } else {
      initial_[2 * query] = -Bytes::sum(sum);
      initial_[2 * query + 1] = 0;
    }
  }

  template <int kBits>
  void score(const std::byte* slot, const CodedBlock& keys, int64_t num_queries, float* scores, int64_t stride,
             Upcoming upcoming) {
    const std::byte* block = slot + keys.block;
    load_channels<kBits>(block, keys);
    for (int64_t i = 0; i < num_queries; ++i) fold_query<kBits>(i);
    const CodeGrid grid = {reinterpret_cast<const uint8_t*>(block), 4 * page_tokens_,
                           (head_dim_ + 7) / 8 * (kBits == 8 ? 2 : 1)};
    multiply_codes<KeyProduct<kBits>>(grid, {packed_, row_stride_, dims_, initial_}, num_queries,
                                      page_tokens_ / Vec::kWidth, upcoming,
                                      [&](int64_t query, int64_t vector, const Bytes::I(&sums)[planes_of(kBits)]) {
                                        Vec::F sum = Bytes::to_float(sums[0]);
                                        if constexpr (kBits == 8)
                                          sum = Vec::fma(Vec::set1(128.0F), sum, Bytes::to_float(sums[1]));
                                        Vec::store(scores + query * stride + vector * Vec::kWidth,
                                                   Vec::fma(Vec::set1(steps_[query]), sum, Vec::set1(bases_[query])));
                                      });
  }

  template <int kBits>
  void pack_weights(int64_t query, float* weights, int64_t begin, int64_t end) {
    Vec::F most = Vec::zero(), base = Vec::zero();
    for (int64_t t = begin; t < end; t += Vec::kWidth) {
      const Vec::F p = Vec::load(weights + t);
      const Vec::F w = Vec::mul(p, Vec::load(token_scales_ + t));
      if (kBits == 4) base = Vec::fma(p, Vec::load(token_centres_ + t), base);
      most = Vec::max(w, most);
      Vec::store(weights + t, w);
    }
    const Step step = step_of(Bytes::highest(most), kBits == 8 ? 65535.0F : 255.0F);
    const Vec::F inverse = Vec::set1(step.inverse);
    uint8_t* to = packed_ + query * row_stride_;
    Bytes::I total = Bytes::broadcast(0);
    for (int64_t t = 0; t < page_tokens_; t += Vec::kWidth) {
      Bytes::I n = Bytes::broadcast(0);
      if (t >= begin && t < end) n = Bytes::round(Vec::mul(Vec::load(weights + t), inverse));
      if (kBits == 4) {
        Bytes::store_bytes(to + t, n);
        total = Bytes::add(total, n);
      } else {
        Bytes::store_bytes(to + t, Bytes::shift_right<8>(n));
        Bytes::store_bytes(to + page_tokens_ + t, n);
      }
    }
    steps_[query] = step.size;
    bases_[query] = kBits == 4 ? Bytes::total(base) : 0.0F;
    if (kBits == 4) {
      initial_[query] = -8 * Bytes::sum(total);
    } else {
      initial_[2 * query] = initial_[2 * query + 1] = 0;
    }
  }

  template <int kBits>
  void weigh(const std::byte* slot, const CodedBlock& values, int64_t num_queries, float* sums, int64_t stride,
             Upcoming upcoming) {
    const int64_t coded = (head_dim_ + 7) / 8 * 8;
    const CodeGrid grid = {reinterpret_cast<const uint8_t*>(slot + values.block), 4 * coded,
                           page_tokens_ / (kBits == 8 ? 4 : 8)};
    // The last vector of 8 more dimensions reads on into the next group or the scales; its lanes go nowhere.
    multiply_codes<ValueProduct<kBits>>(grid, {packed_, row_stride_, page_tokens_, initial_}, num_queries,
                                        (coded + Vec::kWidth - 1) / Vec::kWidth, upcoming,
                                        [&](int64_t query, int64_t vector, const Bytes::I(&dots)[planes_of(kBits)]) {
                                          Vec::F sum = Bytes::to_float(dots[0]);
                                          if constexpr (kBits == 8)
                                            sum = Vec::fma(Vec::set1(256.0F), sum, Bytes::to_float(dots[1]));
                                          float* to = sums + query * stride + vector * Vec::kWidth;
                                          sum = Vec::fma(Vec::set1(steps_[query]), sum, Vec::load(to));
                                          if constexpr (kBits == 4) sum = Vec::add(sum, Vec::set1(bases_[query]));
                                          Vec::store(to, sum);
                                        });
  }

  int64_t head_dim_, page_tokens_, dims_, row_stride_;
  float* queries_;
  uint8_t* packed_;
  float* steps_;
  float* bases_;
  int32_t* initial_;
  float* channel_scales_;
  float* channel_centres_;
  float* token_scales_;
  float* token_centres_;
};

}  // namespace
}  // namespace lockstep::cpu
