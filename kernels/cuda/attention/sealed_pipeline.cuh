// Blocks of 64 keys and values on their way from sealed pages to shared memory, where they arrive as the stage of
// block_pipeline.cuh: rounded to T, so that the same products run over them. The query's own page comes as it was
// written.
//
// A thread takes items of 4 tokens and 8 dimensions of K, and of 8 tokens and 8 dimensions of V: their codes and scales
// travel to registers while the block before is worked on, and become a stage when their turn comes. Memory: every code
// and scale once. Work: about 4 instructions an element and thread; what leaves device memory are codes alone.
#pragma once

#include "kernels/cuda/attention/fragments.cuh"
#include "kernels/cuda/attention/sealed_page.cuh"
#include "kernels/cuda/attention/walk.cuh"

namespace lockstep::cuda {

/// Eight F16 in 16 bytes.
__device__ __forceinline__ float half_of(const uint4& words, int index) {
  const uint32_t word = index < 4 ? (index < 2 ? words.x : words.y) : (index < 6 ? words.z : words.w);
  return __half2float(__ushort_as_half(static_cast<unsigned short>(index % 2 == 0 ? word & 0xffffU : word >> 16)));
}
__device__ __forceinline__ uint32_t word_of(const uint4& words, int index) {
  return index < 2 ? (index == 0 ? words.x : words.y) : (index == 2 ? words.z : words.w);
}

/// Two decoded values; what rounds beyond the type's greatest value becomes that.
__device__ __forceinline__ uint32_t pack_decoded(float low, float high, Bf16Tag tag) { return pack(low, high, tag); }
__device__ __forceinline__ uint32_t pack_decoded(float low, float high, F16Tag tag) {
  constexpr float kMost = 65504.0F;
  return pack(fminf(fmaxf(low, -kMost), kMost), fminf(fmaxf(high, -kMost), kMost), tag);
}

/// One row's K and V of one KV head along a walk, block by block. All threads of the CTA call alike.
template <class T, int kDim>
class SealedPipeline {
 public:
  using Layout = StageLayout<kDim>;

  /// Starts with the first block of [first, last], along the walk. `own_page`: the number of the query's page along it;
  /// `end`: positions that hold keys; what lies behind may be neither read nor anything but zero in V.
  __device__ SealedPipeline(const AttentionArguments& args, const RowBounds& row, int kv_head, const Walk& walk,
                            int own_page, int end, int first, int last, std::byte* stage)
      : args_(args),
        row_(row),
        walk_(walk),
        kv_head_(kv_head),
        own_page_(own_page),
        end_(end),
        next_(first),
        last_(last),
        stage_(stage) {
    if (kAhead && next_ <= last_) load();
  }

  /// The next block, complete and visible to all threads.
  __device__ const std::byte* await() {
    if (!kAhead) load();
    __syncthreads();  // nobody reads the block before any more
    store();
    ++next_;
    if (kAhead && next_ <= last_) load();
    __syncthreads();
    return stage_;
  }

 private:
  static constexpr int kOctets = kDim / 8;
  static constexpr int kKeyItems = kBlockTokens / 4 * kOctets, kValueItems = kBlockTokens / 8 * kOctets;
  static constexpr int kThreadKeyItems = (kKeyItems + kAttentionThreads - 1) / kAttentionThreads;
  static constexpr int kThreadValueItems = (kValueItems + kAttentionThreads - 1) / kAttentionThreads;
  static constexpr bool kAhead = kDim <= 128;  // more would not fit into registers

  enum Form : int32_t { kNothing, kOpen, kFourBits, kEightBits };
  struct KeyItem {
    Form form;
    const std::byte* open;  // of the item's first pair and token
    uint4 codes[2], offsets;
    uint2 scales;
  };
  struct ValueItem {
    Form form;
    int32_t num_valid;  // tokens
    const std::byte* open;
    uint4 codes[4], scales, lows;
  };

  /// The page of a position along the walk.
  __device__ PageBlocks page_at(int position, int& token) const {
    const int step = position / args_.page_tokens;
    token = position - step * args_.page_tokens;
    return blocks_of_page(args_, row_, walk_, kv_head_, step, step == own_page_);
  }
  static __device__ Form form_of(int32_t bits) { return bits == 0 ? kOpen : bits == 4 ? kFourBits : kEightBits; }

  __device__ void load() {
    const int thread = static_cast<int>(threadIdx.x), start = next_ * kBlockTokens;
#pragma unroll
    for (int i = 0; i < kThreadKeyItems; ++i) {
      const int number = thread + i * kAttentionThreads;
      KeyItem& item = keys_[i];
      item.form = kNothing;
      const int position = start + number % (kBlockTokens / 4) * 4;
      if (number < kKeyItems && position < end_) load(item, position, number / (kBlockTokens / 4));
    }
#pragma unroll
    for (int i = 0; i < kThreadValueItems; ++i) {
      const int number = thread + i * kAttentionThreads;
      ValueItem& item = values_[i];
      item.form = kNothing;
      const int position = start + number / kOctets * 8;
      if (number < kValueItems && position < end_) load(item, position, number % kOctets);
    }
  }

  __device__ void load(KeyItem& item, int position, int octet) const {
    int token = 0;
    const PageBlocks page = page_at(position, token);
    const int64_t page_tokens = args_.page_tokens;
    item.form = form_of(page.k_bits);
    if (item.form == kOpen) {
      item.open = page.k + (octet * 4 * page_tokens + token) * 4;
      return;
    }
    const int words = item.form == kEightBits ? 2 : 1;
    const std::byte* const codes = page.k + (octet * words * page_tokens + token) * 4;
    item.codes[0] = load_streaming_16(codes);
    if (item.form == kEightBits) item.codes[1] = load_streaming_16(codes + page_tokens * 4);
    item.offsets = load_streaming_16(page.k + code_bytes(args_, page.k_bits) + octet * 16);
    item.scales = *reinterpret_cast<const uint2*>(page.k + key_scales(args_, page.k_bits) + octet * 8);
  }

  __device__ void load(ValueItem& item, int position, int octet) const {
    int token = 0;
    const PageBlocks page = page_at(position, token);
    item.form = form_of(page.v_bits);
    if (item.form == kOpen) {
      item.num_valid = end_ - position;
      item.open = page.v + (int64_t{token} * kDim + octet * 8) * 2;
      return;
    }
    const int rows = item.form == kEightBits ? 2 : 1;
    const std::byte* const codes = page.v + (int64_t{token} / 8 * rows * kDim + octet * 8) * 4;
    item.codes[0] = load_streaming_16(codes);
    item.codes[1] = load_streaming_16(codes + 16);
    if (item.form == kEightBits) {
      item.codes[2] = load_streaming_16(codes + kDim * 4);
      item.codes[3] = load_streaming_16(codes + kDim * 4 + 16);
    }
    item.scales = load_streaming_16(page.v + code_bytes(args_, page.v_bits) + token * 2);
    if (item.form == kFourBits) item.lows = load_streaming_16(page.v + value_lows(args_, 4) + token * 2);
  }

  __device__ void store() const {
    const int thread = static_cast<int>(threadIdx.x);
#pragma unroll
    for (int i = 0; i < kThreadKeyItems; ++i) {
      const int number = thread + i * kAttentionThreads;
      if (number < kKeyItems) store(keys_[i], number % (kBlockTokens / 4), number / (kBlockTokens / 4));
    }
#pragma unroll
    for (int i = 0; i < kThreadValueItems; ++i) {
      const int number = thread + i * kAttentionThreads;
      if (number < kValueItems) store(values_[i], number / kOctets * 8, number % kOctets);
    }
  }

  /// Four pairs of four tokens.
  __device__ void store(const KeyItem& item, int group, int octet) const {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int pair = octet * 4 + i;
      auto* const to = reinterpret_cast<uint4*>(stage_ + pair * (kBlockTokens * 4) + k_group_place(group, pair) * 16);
      if (item.form == kEightBits) {
        *to = decode_pair(item, 2 * i, [&](int token, int dim) {
          return byte_of(word_of(item.codes[i / 2], token), dim % 4, kBias);
        });
      } else if (item.form == kFourBits) {
        *to = decode_pair(item, 2 * i, [&](int token, int dim) {
          const uint32_t word = word_of(item.codes[0], token);
          return byte_of((i < 2 ? word : word >> 4) & kNibbles, dim % 4, 0.0F);
        });
      } else if (item.form == kOpen) {
        *to = *reinterpret_cast<const uint4*>(item.open + i * int64_t{args_.page_tokens} * 4);
      }
    }
  }
  template <class Code>
  static __device__ __forceinline__ uint4 decode_pair(const KeyItem& item, int dim, const Code& code) {
    const auto scale_at = [&](int d) {
      const uint32_t word = d < 4 ? item.scales.x : item.scales.y;
      return scale_of_code(static_cast<uint8_t>(word >> (d % 4 * 8)));
    };
    const float scales[2] = {scale_at(dim), scale_at(dim + 1)};
    const float offsets[2] = {half_of(item.offsets, dim), half_of(item.offsets, dim + 1)};
    const auto pair = [&](int token) {
      return pack_decoded(decode(scales[0], code(token, dim), offsets[0]),
                          decode(scales[1], code(token, dim + 1), offsets[1]), typename MmaTag<T>::type{});
    };
    return make_uint4(pair(0), pair(1), pair(2), pair(3));
  }

  /// Eight dimensions of eight tokens. What is not there becomes zero: garbage times a weight of 0 may be NaN.
  __device__ void store(const ValueItem& item, int first_token, int octet) const {
#pragma unroll
    for (int token = 0; token < 8; ++token) {
      std::byte* const row = stage_ + Layout::kKBytes + token_slot(first_token + token) * Layout::kVPitch;
      auto* const to = reinterpret_cast<uint4*>(row + octet * 16);
      const float scale = half_of(item.scales, token);
      if (item.form == kEightBits) {
        *to = decode_row(scale, 0.0F, [&](int dim) {
          return byte_of(word_of(item.codes[token / 4 * 2 + dim / 4], dim % 4) ^ kSignBits, token % 4, kBias);
        });
      } else if (item.form == kFourBits) {
        *to = decode_row(scale, half_of(item.lows, token), [&](int dim) {
          const uint32_t word = word_of(item.codes[dim / 4], dim % 4);
          return byte_of((token < 4 ? word : word >> 4) & kNibbles, token % 4, 0.0F);
        });
      } else if (item.form == kOpen && token < item.num_valid) {
        *to = *reinterpret_cast<const uint4*>(item.open + token * (kDim * 2));
      } else {
        *to = make_uint4(0, 0, 0, 0);
      }
    }
  }
  template <class Code>
  static __device__ __forceinline__ uint4 decode_row(float scale, float low, const Code& code) {
    const auto pair = [&](int dim) {
      return pack_decoded(decode(scale, code(dim), low), decode(scale, code(dim + 1), low), typename MmaTag<T>::type{});
    };
    return make_uint4(pair(0), pair(2), pair(4), pair(6));
  }

  const AttentionArguments& args_;
  const RowBounds& row_;
  Walk walk_;
  int32_t kv_head_, own_page_, end_, next_, last_;
  std::byte* stage_;
  KeyItem keys_[kThreadKeyItems];
  ValueItem values_[kThreadValueItems];
};

}  // namespace lockstep::cuda
