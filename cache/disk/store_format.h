// Bytes of the disk store's files: everything about the format stands in this file and docs/disk-store.md.
//
// A writer has one log (header, then entries of one fixed size, each with a CRC32C) and segments (header block, then
// slots). No length is stored that decides where a checksum lies: an entry's size follows from its log's header, so any
// burst of up to 32 wrong bits falls into ranges of known ends, and each range's CRC32C finds its part. Lengths of
// packed records stand in entries and are read only from those whose CRC32C is right. Payload has no header on disk:
// what it is and its checksums stand in the log, so that the heads of a page are one read into the caller's memory.
// Readers trust nothing: arbitrary bytes give "damaged", never a crash or more memory than the file has.
#pragma once

#include "cache/disk/record_packing.h"
#include "cache/disk/record_shape.h"
#include "core/hash.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lockstep {

inline constexpr uint32_t kStoreVersion = 3;
inline constexpr int64_t kLogHeaderBytes = 512;
inline constexpr int64_t kSegmentHeaderBytes = kDiskAlignment;

/// What all files of a writer have in common. A writer is one DiskStore object of one rank.
struct WriterFacts {
  uint64_t writer = 0;
  Hash128 content;
  RecordShape shape;
  HeadRange heads;
  int64_t pages_per_segment = 0;
  int64_t created = 0;  // nanoseconds since 1970
  // The job's share of the directory: writers of one job have the same group and budget.
  uint64_t group = 0;
  int64_t budget_bytes = 0;    // of segments, of this writer
  int32_t num_writers = 0;     // of the group
  int64_t capacity_bytes = 0;  // of the directory, as this job was told
  bool operator==(const WriterFacts&) const = default;

  int64_t page_bytes() const { return heads.count * shape.aligned_payload_bytes(); }
  int64_t segment_bytes() const { return kSegmentHeaderBytes + pages_per_segment * page_bytes(); }
  int64_t slot_offset(uint32_t slot) const { return kSegmentHeaderBytes + slot * page_bytes(); }
  int64_t num_crcs() const { return heads.count * shape.num_layers; }
  /// Size of an entry of this writer's log.
  int64_t entry_bytes() const;
};

enum class EntryKind : uint32_t {
  kPage = 1,  // the slot holds all heads of the page, durably
  kDrop = 2,  // heads of a record, of any writer, are given up
};

struct LogEntry {
  EntryKind kind = EntryKind::kPage;
  uint64_t writer = 0;  // whose segment
  uint64_t segment = 0;
  uint32_t slot = 0;
  Hash128 key;
  HeadRange heads;
  int64_t time = 0;                         // nanoseconds since 1970
  std::vector<uint32_t> layer_crcs;         // kPage: CRC32C of each [head][layer]; kDrop: none
  std::vector<RecordPacking> packing = {};  // kPage: of each head, or empty: all lie there as they are
};

std::vector<std::byte> encode_log_header(const WriterFacts& facts);
std::vector<std::byte> encode_segment_header(const WriterFacts& facts, uint64_t segment);
/// The `index`-th entry of the log of `facts`.
std::vector<std::byte> encode_entry(const WriterFacts& facts, uint64_t index, const LogEntry& entry);

/// nullopt and why: another version or byte order, damaged, cut short.
std::optional<WriterFacts> decode_log_header(std::span<const std::byte> bytes, std::string& problem);
/// Empty if `bytes` are the header of that segment; else why not.
std::string check_segment_header(std::span<const std::byte> bytes, const WriterFacts& facts, uint64_t segment);
/// The writer's facts as the segment tells them, for segments whose log is gone.
std::optional<WriterFacts> decode_segment_header(std::span<const std::byte> bytes, std::string& problem);
/// nullopt if the bytes are not the `index`-th entry of this log.
std::optional<LogEntry> decode_entry(const WriterFacts& facts, uint64_t index, std::span<const std::byte> bytes);

}  // namespace lockstep
