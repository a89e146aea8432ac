// Bytes of a journal: everything about its layout, and nothing about files.
//
//   header   magic "LSJRNL02" | u32 manifest bytes | u32 CRC32C of the 12 bytes before | manifest JSON | u32 its CRC32C
//   record   u32 payload bytes (≥ 1) | u32 CRC32C of kind, row, payload bytes and payload | u8 kind | i64 row | payload
//   records follow each other without gaps; all numbers little-endian.
//
// Kinds: 1 a row's result line, 2 a row's error line, 3 a manifest (row -1): what follows was made under it, 4 notes
// (row -1): they replace earlier ones. A record is whole or it is not there: the first one that does not check out ends
// the journal.
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
/// What a run of the job found that no output depends on: measured costs, say. Never compared with the next run's.
using Notes = std::map<std::string, std::string>;

/// One line a key: `  model.fingerprint: journal has "ab", this job has "cd"`. "" if equal.
std::string describe_difference(const Manifest& journal, const Manifest& job);

inline constexpr int64_t kJournalPrefixBytes = 16;
inline constexpr int64_t kRecordHeadBytes = 17;
/// Keeps a damaged length from asking for memory that no result needs.
inline constexpr int64_t kMaxPayloadBytes = int64_t{256} << 20;

/// What a record holds; the numbers stand in journals.
enum class RecordKind : uint8_t { kResult = 1, kError = 2, kManifest = 3, kNotes = 4 };
/// The row of a record that is no row's.
inline constexpr int64_t kManifestRow = -1;
/// How a row ended.
enum class RowKind : uint8_t { kResult = 1, kError = 2 };

/// Notes have the same form.
std::string encode_manifest(const Manifest& manifest);
/// Nothing if the text is no flat object of strings.
std::optional<Manifest> decode_manifest(std::string_view json);

std::string encode_journal_header(const Manifest& manifest);
/// The magic of a journal of another version of this program; nothing if it is this version's, or no journal's.
std::optional<std::string> foreign_journal_version(std::span<const std::byte> prefix);
/// Bytes of the whole header, from its first kJournalPrefixBytes; nothing if these are damaged.
std::optional<int64_t> journal_header_bytes(std::span<const std::byte> prefix);
/// The manifest in a whole header; nothing if it is damaged.
std::optional<Manifest> decode_journal_header(std::span<const std::byte> header);
/// The magic that encode_journal_header writes.
std::string_view journal_version();

struct RecordHead {
  uint32_t payload_bytes = 0;
  uint32_t checksum = 0;
  RecordKind kind{};
  int64_t row = 0;
};

std::string encode_record(RecordKind kind, int64_t row, std::string_view payload);
RecordHead decode_record_head(std::span<const std::byte, kRecordHeadBytes> bytes);
bool is_record_valid(const RecordHead& head, std::string_view payload);

}  // namespace lockstep
