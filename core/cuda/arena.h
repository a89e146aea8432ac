// All device memory of a rank comes from here: blocks taken from CUDA, cut into pieces, with exact accounts.
//
// cudaMalloc and cudaFree stop the whole device and round up to 2 MiB; pieces of a block cost neither. Freed pieces
// join their free neighbours; blocks that are wholly free go back to CUDA only when a request finds no room. A piece
// may be given out again while kernels enqueued before its release still run: all users of a device share one compute
// stream, or synchronise before they release. LOCKSTEP_CUDA_ARENA=off takes every request from CUDA by itself, in its
// exact size, so that compute-sanitizer sees each step outside. Thread-safe.
#pragma once

#include "core/device.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace lockstep::cuda {

class Arena {
 public:
  explicit Arena(Device device);

  /// Aligned to 256 bytes. Throws OutOfMemory naming the request, what is held, and what CUDA has left.
  void* allocate(int64_t bytes);
  void deallocate(void* data) noexcept;

  /// Bytes asked for and not released, now and at most.
  int64_t held() const;
  int64_t peak() const;
  /// Bytes taken from CUDA beyond what is held: free pieces and rounding.
  int64_t reserve() const;

  /// The arena of a device of this process, made at the first call.
  static Arena& of(Device device);
  /// Held bytes of all devices, now and at most.
  static int64_t total_held();
  static int64_t total_peak();

 private:
  struct Piece {
    int64_t bytes = 0;  // rounded up
    size_t block = 0;
    bool is_free = true;
  };
  struct Block {
    std::byte* data = nullptr;
    int64_t bytes = 0;
  };
  using Pieces = std::map<std::byte*, Piece>;

  Pieces::iterator find_room(int64_t rounded);
  bool add_block(int64_t rounded);
  void release_free_blocks();
  Pieces::iterator join_with_next(Pieces::iterator piece);
  [[noreturn]] void refuse(int64_t bytes) const;

  const Device device_;
  const bool is_direct_;
  mutable std::mutex mutex_;
  std::vector<Block> blocks_;  // data is null for one given back
  Pieces pieces_;
  std::unordered_map<void*, int64_t> requests_;  // bytes as asked for
  int64_t taken_ = 0;                            // from CUDA
  int64_t held_ = 0, peak_ = 0;
};

}  // namespace lockstep::cuda
