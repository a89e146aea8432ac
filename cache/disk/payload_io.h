// Moves pages between the caller's memory and segments, and packs and unpacks their records on the way.
//
// Records that lie there as they are travel straight from or to the caller's memory. Others go through memory of this
// object, a bounded part of a call at a time, and several threads work on its records. Not thread-safe.
#pragma once

#include "cache/disk/aligned_bytes.h"
#include "cache/disk/record_packing.h"
#include "cache/disk/transfer_engine.h"
#include "core/thread_pool.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace lockstep {

class PayloadIo {
 public:
  /// `level`: of zstd, for what is written; 0 = nothing is packed. `num_threads` ≥ 1 pack and unpack.
  PayloadIo(std::unique_ptr<TransferEngine> engine, const RecordShape& shape, int level, int num_threads);

  struct Write {
    int fd = -1;
    int64_t offset = 0;
    std::span<const std::byte> heads;         // records aligned_payload_bytes() apart, at a multiple of 4096
    std::vector<RecordPacking> packing = {};  // out, of each head
    std::string problem = {};                 // out
  };
  /// Puts each page's records one behind the other.
  void write(std::span<Write> pages);

  struct Read {
    int fd = -1;
    int64_t offset = 0;
    std::span<const RecordPacking> packing;
    std::span<std::byte> heads;
    std::string problem = {};  // out
  };
  /// Padding holds anything.
  void read(std::span<Read> parts);

 private:
  void write_packed(std::span<Write> pages);
  void read_group(std::span<Read> parts, int64_t scratch_bytes);
  std::byte* scratch(int64_t bytes);
  ThreadPool& threads();

  std::unique_ptr<TransferEngine> engine_;
  RecordShape shape_;
  int level_, num_threads_;
  AlignedBytes scratch_;
  std::unique_ptr<ThreadPool> threads_;  // from the first packed record on
};

}  // namespace lockstep
