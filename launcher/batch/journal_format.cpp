#include "launcher/batch/journal_format.h"

#include "core/hash.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

static_assert(std::endian::native == std::endian::little, "journal numbers are little-endian");

constexpr std::string_view kMagic = "LSJRNL02";
/// What every version's magic begins with.
constexpr std::string_view kFamily = "LSJRNL";
constexpr int64_t kChecksumBytes = 4;

template <class Integer>
void append_number(std::string& out, Integer value) {
  std::array<char, sizeof value> bytes;
  std::memcpy(bytes.data(), &value, sizeof value);
  out.append(bytes.data(), bytes.size());
}

template <class Integer>
Integer number_at(std::span<const std::byte> bytes, size_t offset) {
  Integer value;
  std::memcpy(&value, bytes.subspan(offset, sizeof value).data(), sizeof value);
  return value;
}

uint32_t checksum_of(std::string_view bytes) { return crc32c(std::as_bytes(std::span(bytes))); }

uint32_t record_checksum(RecordKind kind, int64_t row, std::string_view payload) {
  std::string head;
  append_number(head, static_cast<uint8_t>(kind));
  append_number(head, row);
  append_number(head, static_cast<uint32_t>(payload.size()));
  return crc32c(std::as_bytes(std::span(payload)), checksum_of(head));
}

std::string quoted(const Manifest& manifest, const std::string& key) {
  const auto found = manifest.find(key);
  return found == manifest.end() ? "nothing" : fmt::format("\"{}\"", found->second);
}

}  // namespace

std::string describe_difference(const Manifest& journal, const Manifest& job) {
  Manifest keys = journal;
  keys.insert(job.begin(), job.end());
  std::string text;
  for (const auto& [key, unused] : keys) {
    const std::string before = quoted(journal, key), now = quoted(job, key);
    if (before != now) text += fmt::format("  {}: journal has {}, this job has {}\n", key, before, now);
  }
  return text;
}

std::string encode_manifest(const Manifest& manifest) {
  // Anything that is not UTF-8 (a path, say) is replaced: the text is for comparing and for people.
  return nlohmann::json(manifest).dump(-1, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace);
}

std::optional<Manifest> decode_manifest(std::string_view json) {
  const auto parsed = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return std::nullopt;
  for (const auto& value : parsed)
    if (!value.is_string()) return std::nullopt;
  return parsed.get<Manifest>();
}

std::string_view journal_version() { return kMagic; }

std::optional<std::string> foreign_journal_version(std::span<const std::byte> prefix) {
  const std::string_view text(reinterpret_cast<const char*>(prefix.data()), std::min(prefix.size(), kMagic.size()));
  if (text.size() < kMagic.size() || text == kMagic || !text.starts_with(kFamily)) return std::nullopt;
  return std::string(text);
}

std::string encode_journal_header(const Manifest& manifest) {
  const std::string json = encode_manifest(manifest);
  std::string header(kMagic);
  append_number(header, static_cast<uint32_t>(json.size()));
  append_number(header, checksum_of(header));
  header += json;
  append_number(header, checksum_of(json));
  return header;
}

std::optional<int64_t> journal_header_bytes(std::span<const std::byte> prefix) {
  if (static_cast<int64_t>(prefix.size()) < kJournalPrefixBytes) return std::nullopt;
  const auto checked = prefix.first(kMagic.size() + sizeof(uint32_t));
  if (std::memcmp(prefix.data(), kMagic.data(), kMagic.size()) != 0) return std::nullopt;
  if (number_at<uint32_t>(prefix, checked.size()) != crc32c(checked)) return std::nullopt;
  return kJournalPrefixBytes + number_at<uint32_t>(prefix, kMagic.size()) + kChecksumBytes;
}

std::optional<Manifest> decode_journal_header(std::span<const std::byte> header) {
  const auto total = journal_header_bytes(header);
  if (!total || *total > static_cast<int64_t>(header.size())) return std::nullopt;
  const auto json = header.subspan(static_cast<size_t>(kJournalPrefixBytes),
                                   static_cast<size_t>(*total - kJournalPrefixBytes - kChecksumBytes));
  if (number_at<uint32_t>(header, static_cast<size_t>(*total - kChecksumBytes)) != crc32c(json)) return std::nullopt;
  return decode_manifest({reinterpret_cast<const char*>(json.data()), json.size()});
}

std::string encode_record(RecordKind kind, int64_t row, std::string_view payload) {
  std::string record;
  record.reserve(static_cast<size_t>(kRecordHeadBytes) + payload.size());
  append_number(record, static_cast<uint32_t>(payload.size()));
  append_number(record, record_checksum(kind, row, payload));
  append_number(record, static_cast<uint8_t>(kind));
  append_number(record, row);
  record += payload;
  return record;
}

RecordHead decode_record_head(std::span<const std::byte, kRecordHeadBytes> bytes) {
  return {number_at<uint32_t>(bytes, 0), number_at<uint32_t>(bytes, 4), RecordKind{number_at<uint8_t>(bytes, 8)},
          number_at<int64_t>(bytes, 9)};
}

bool is_record_valid(const RecordHead& head, std::string_view payload) {
  const bool is_row = head.kind == RecordKind::kResult || head.kind == RecordKind::kError;
  const bool is_about_all = head.kind == RecordKind::kManifest || head.kind == RecordKind::kNotes;
  return ((is_row && head.row >= 0) || (is_about_all && head.row == kManifestRow)) && !payload.empty() &&
         head.payload_bytes == payload.size() && head.checksum == record_checksum(head.kind, head.row, payload);
}

}  // namespace lockstep
