// What the transfers of a rank ask of its disk store (cache/disk/): pages written, read and forgotten by content key.
//
// Pages travel as they lie in the host pool (cache/transfer/host_pool.h): `heads` is a whole slot, num_heads pieces at
// a stride of HostPool::head_stride() bytes, aligned for O_DIRECT; `layer_crcs` [num_heads][num_layers] the CRC32C of
// each piece's layers. Thread-safety: all calls come from one thread, the mover's I/O thread; they block.
#pragma once

#include "core/hash.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lockstep {

class PageFile {
 public:
  struct Write {
    Hash128 key;
    std::span<const std::byte> heads;
    std::span<const uint32_t> layer_crcs;
    /// Of all writes in the order of the plans, from 1, those that never came here included: decides which pages share
    /// a file, on every rank alike. Writes come in any order.
    uint64_t number = 0;
  };
  struct Read {
    Hash128 key;
    std::span<std::byte> heads;
    std::span<uint32_t> layer_crcs;
  };
  /// Nothing, or why this one page failed. No failure of a page, a time-out included, is an exception.
  using Result = std::optional<std::string>;

  virtual ~PageFile() = default;

  /// Durable on return. One result for each page.
  virtual std::vector<Result> write(std::span<const Write> pages) = 0;
  /// Fills heads and checksums, verified against each other. One result for each page; heads and checksums of a page
  /// that failed may hold anything.
  virtual std::vector<Result> read(std::span<const Read> pages) = 0;
  /// The pages are gone, and stay so unless a reason why not is returned. Unknown keys are passed over.
  virtual Result forget(std::span<const Hash128> keys) = 0;
};

}  // namespace lockstep
