// How a record lies on disk: as it is, or packed by zstd without loss where that saves at least one block.
//
// A packed record occupies the blocks of its packed bytes, zero behind them. Its length and CRC32C stand in the log's
// entry, so its bytes are known to be right before zstd sees them. Thread-safe: every thread keeps tables of its own.
#pragma once

#include "cache/disk/record_shape.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace lockstep {

struct RecordPacking {
  uint32_t bytes = 0;  // packed; 0 = it lies there as it is
  uint32_t crc = 0;    // CRC32C of the packed bytes
  bool operator==(const RecordPacking&) const = default;

  bool is_packed() const { return bytes != 0; }
};

/// Bytes on disk, whole blocks.
int64_t stored_bytes(const RecordPacking& packing, const RecordShape& shape);
/// Of records one behind the other.
int64_t stored_bytes(std::span<const RecordPacking> packing, const RecordShape& shape);
/// What pack_record() can return for this shape.
bool is_possible(const RecordPacking& packing, const RecordShape& shape);

/// Puts the record's stored form into `place`, which has room for one as it is: packed at `level` (1 to 19) where that
/// saves a block, else a copy. `record`: aligned_payload_bytes(); padding is not packed. Throws Error if zstd does.
RecordPacking pack_record(std::span<const std::byte> record, const RecordShape& shape, int level,
                          std::span<std::byte> place);

/// Fills the payload of `record` from its stored form. Empty, or what is wrong; `record` then holds anything. The
/// layers' own checksums are the caller's to check.
std::string unpack_record(std::span<const std::byte> stored, const RecordPacking& packing, const RecordShape& shape,
                          std::span<std::byte> record);

}  // namespace lockstep
