// Bytes of a journal: everything about its layout, and nothing about files.
//
//   header   magic "LSJRNL01" | u32 manifest bytes | u32 CRC32C of the 12 bytes before | manifest JSON | u32 its CRC32C
//   record   u32 payload bytes (≥ 1) | u32 CRC32C of row, payload bytes and payload | i64 row | payload
//   records follow each other without gaps; all numbers little-endian.
//
// A record is whole or it is not there: the first one that does not check out ends the journal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace lockstep {

/// What a job's output depends on, as flat text: "input.digest", "model.fingerprint", "cache.format", "version", …
/// Rank counts, batch sizes and cache sizes do not belong here: they do not change a byte.
using Manifest = std::map<std::string, std::string>;

/// One line a key: `  model.fingerprint: journal has "ab", this job has "cd"`. "" if equal.
std::string describe_difference(const Manifest& journal, const Manifest& job);

inline constexpr int64_t kJournalPrefixBytes = 16;
inline constexpr int64_t kRecordHeadBytes = 16;
/// Keeps a damaged length from asking for memory that no result needs.
inline constexpr int64_t kMaxPayloadBytes = int64_t{256} << 20;

std::string encode_journal_header(const Manifest& manifest);
/// Bytes of the whole header, from its first kJournalPrefixBytes; nothing if these are damaged.
std::optional<int64_t> journal_header_bytes(std::span<const std::byte> prefix);
/// The manifest in a whole header; nothing if it is damaged.
std::optional<Manifest> decode_journal_header(std::span<const std::byte> header);

struct RecordHead {
  uint32_t payload_bytes = 0;
  uint32_t checksum = 0;
  int64_t row = 0;
};

std::string encode_record(int64_t row, std::string_view payload);
RecordHead decode_record_head(std::span<const std::byte, kRecordHeadBytes> bytes);
bool is_record_valid(const RecordHead& head, std::string_view payload);

}  // namespace lockstep
