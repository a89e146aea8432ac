// Blocks of 64 keys and values on their way from scattered pages to shared memory, some of them ahead of their use.
//
// A stage holds K as words of two dimensions, [dim / 2][64 tokens], and V as rows of 16-bit elements in slot order
// (numerics.cuh). Against bank conflicts, the 16-byte groups of K's rows are exchanged by the pair's number, and V's
// rows are 16 bytes longer than their contents; the fragment loads of either then touch every bank once.
#pragma once

#include "kernels/cuda/attention/arguments.cuh"
#include "kernels/cuda/attention/numerics.cuh"
#include "kernels/cuda/attention/walk.cuh"

namespace lockstep::cuda {

/// Sizes of one stage for 16-bit elements.
template <int kDim>
struct StageLayout {
  static constexpr int kKBytes = kDim / 2 * kBlockTokens * 4;
  static constexpr int kVPitch = kDim * 2 + 16;
  static constexpr int kBytes = kKBytes + kBlockTokens * kVPitch;
};

/// Which 16-byte group of a K row holds tokens 4 `group` and the three after it.
__device__ inline constexpr int k_group_place(int group, int pair) { return group ^ (2 * (pair & 3)); }

/// One row's K and V of one KV head along a walk, block by block. All threads of the CTA call alike.
/// Memory: each key and value below `end` once, 16 bytes a copy; V rows from `end` on become zeros, as garbage times a
/// probability of 0 may be NaN. K there may be anything.
template <int kDim>
class BlockPipeline {
 public:
  using Layout = StageLayout<kDim>;

  /// Starts the first blocks of [first, last]. `end`: positions that hold keys, and have pages.
  __device__ BlockPipeline(const AttentionArguments& args, const RowBounds& row, int kv_head, const Walk& walk, int end,
                           int first, int last, std::byte* stages, int num_stages)
      : args_(args),
        slots_(row.slots),
        walk_(walk),
        kv_head_(kv_head),
        end_(end),
        next_(first),
        last_(last),
        stages_(stages),
        num_stages_(num_stages) {
    seek();
    for (int i = 0; i + 1 < num_stages; ++i) start();
  }

  /// The next block, complete and visible to all threads. Its predecessor's stage is written again from here on.
  __device__ const std::byte* await() {
    if (num_stages_ == 1) {
      __syncthreads();
      start();
      cp_async_wait<0>();
      __syncthreads();
      return stages_;
    }
    if (num_stages_ == 3) {
      cp_async_wait<1>();
    } else {
      cp_async_wait<0>();
    }
    __syncthreads();
    start();
    const std::byte* const stage = stages_ + read_ * Layout::kBytes;
    read_ = read_ + 1 == num_stages_ ? 0 : read_ + 1;
    return stage;
  }

 private:
  static constexpr int kGroupTokens = 16;  // a page holds whole groups
  static constexpr int kSteps = kDim / 16;

  struct Place {
    int32_t slot, token;
  };
  __device__ Place place_of(int position) const {
    if (position >= end_) return {0, 0};
    const int32_t page = position / args_.page_tokens;
    return {walk_.slot_at(slots_, page, walk_.page_at(page)), position - page * args_.page_tokens};
  }
  __device__ const std::byte* block_of(const Place& place) const { return args_.places.block_of(place.slot, kv_head_); }
  __device__ int k_position() const { return next_ * kBlockTokens + static_cast<int>(threadIdx.x) % 16 / 4 * 16; }
  __device__ int v_position() const { return next_ * kBlockTokens + static_cast<int>(threadIdx.x) / 32 * 16; }

  /// Looks the next block's pages up, a block before their addresses are needed.
  __device__ void seek() {
    if (next_ > last_) return;
    k_place_ = place_of(k_position());
    v_place_ = place_of(v_position());
  }

  __device__ void start() {
    if (next_ <= last_) {
      std::byte* const stage = stages_ + write_ * Layout::kBytes;
      copy_k(stage);
      copy_v(stage + Layout::kKBytes);
      write_ = write_ + 1 == num_stages_ ? 0 : write_ + 1;
      ++next_;
      seek();
    }
    cp_async_commit();  // also of nothing: await counts groups
  }

  __device__ void copy_k(std::byte* to) const {
    const int thread = static_cast<int>(threadIdx.x), group = thread % 16, pair = thread / 16;
    const int64_t row_bytes = int64_t{args_.page_tokens} * 4;
    const std::byte* from = block_of(k_place_) + (k_place_.token + group % 4 * 4) * 4 + pair * row_bytes;
    to += pair * (kBlockTokens * 4) + k_group_place(group, pair) * 16;
    const bool is_valid = k_position() < end_;
#pragma unroll 4
    for (int i = 0; i < kSteps; ++i) {
      cp_async_16(to + i * 8 * (kBlockTokens * 4), from, is_valid);
      from += 8 * row_bytes;
    }
  }

  __device__ void copy_v(std::byte* to) const {
    constexpr int kRowPieces = kDim / 8;
    const int lane = static_cast<int>(threadIdx.x) % 32, first_token = static_cast<int>(threadIdx.x) / 32 * 16;
    const std::byte* const from = block_of(v_place_) + args_.v_offset + int64_t{v_place_.token} * (kDim * 2);
    const int position = v_position();
#pragma unroll 4
    for (int i = 0; i < kSteps; ++i) {
      const int piece = lane + i * 32, token = piece / kRowPieces;
      cp_async_16(to + token_slot(first_token + token) * Layout::kVPitch + piece % kRowPieces * 16, from + piece * 16,
                  position + token < end_);
    }
  }

  const AttentionArguments& args_;
  const int32_t* slots_;
  Walk walk_;
  int32_t kv_head_, end_, next_, last_;
  std::byte* stages_;
  int32_t num_stages_, read_ = 0, write_ = 0;
  Place k_place_{}, v_place_{};
};

}  // namespace lockstep::cuda
