#include "launcher/batch/journal.h"

#include "core/error.h"
#include "launcher/batch/journal_reader.h"

#include <algorithm>
#include <fcntl.h>
#include <span>
#include <unistd.h>
#include <utility>

namespace lockstep {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAdvice = "give --restart to discard it and begin again";

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

fs::path base_of(const JournalOptions& options) {
  LS_REQUIRE(ConfigError, options.output != "-" || !options.base.empty(),
             "a job that writes to standard output needs a path for its journal");
  LS_REQUIRE(ConfigError, options.output == "-" || !is_no_file(options.output), "output {} is not a regular file",
             options.output.string());
  return options.base.empty() ? options.output : options.base;
}

}  // namespace

fs::path journal_path(const fs::path& base) {
  fs::path path = base;
  return path += ".journal";
}

Journal::Journal(const JournalOptions& options)
    : output_(options.output),
      lock_(open_and_lock(journal_path(base_of(options)), base_of(options).string(), options.lock_patience)),
      offsets_(static_cast<size_t>(options.num_rows), -1),
      is_error_(static_cast<size_t>(options.num_rows), false),
      sync_records_(options.sync_records),
      sync_interval_(options.sync_interval) {
  if (options.restart || !continue_existing(options)) start_fresh(options);
  keep_notes(options.notes);
}

bool Journal::continue_existing(const JournalOptions& options) {
  const std::string name = lock_.file.path().string();
  const int64_t file_bytes = lock_.file.bytes();
  // Less than a whole header: the job that made the file was killed before its first record.
  if (file_bytes < kJournalPrefixBytes) return false;
  ForwardReader reader(lock_.file);
  const auto prefix = reader.at(0, kJournalPrefixBytes);
  const auto version = foreign_journal_version(prefix);
  LS_REQUIRE(FormatError, !version,
             "{} has journal format {}, this program reads {}: finish the job with the program that began it, or {}",
             name, version.value_or(""), journal_version(), kAdvice);
  const auto header_bytes = journal_header_bytes(prefix);
  LS_REQUIRE(FormatError, header_bytes, "{} is no journal of this program, or its beginning is damaged; {}", name,
             kAdvice);
  if (file_bytes < *header_bytes) return false;
  auto manifest = decode_journal_header(reader.at(0, static_cast<size_t>(*header_bytes)));
  LS_REQUIRE(FormatError, manifest, "the manifest in {} is damaged; {}", name, kAdvice);

  begin_share(std::move(*manifest));
  const int64_t highest_row = replay(*header_bytes);
  discarded_bytes_ = file_bytes - end_;
  num_resumed_ = num_finished_;
  // As written, so that characters which a journal cannot hold compare equal.
  const Manifest own = decode_manifest(encode_manifest(options.manifest)).value_or(Manifest{});
  if (shares_[current_share_].manifest != own && highest_row < 0 && discarded_bytes_ == 0)
    return false;  // nothing would be lost
  require_continuable(options, own);
  LS_REQUIRE(FormatError, highest_row < num_rows(), "{} holds row {} of a job with {} rows", name, highest_row,
             num_rows());

  if (discarded_bytes_ > 0) {
    lock_.file.truncate(end_);
    lock_.file.sync();
  }
  if (shares_[current_share_].manifest != own) {
    write_at_end(encode_record(RecordKind::kManifest, kManifestRow, encode_manifest(own)));
    lock_.file.sync();
    begin_share(own);
  }
  return true;
}

void Journal::require_continuable(const JournalOptions& options, const Manifest& own) const {
  const Manifest& latest = shares_[current_share_].manifest;
  if (latest == own) return;
  const std::string name = lock_.file.path().string();
  LS_REQUIRE(ConfigError, options.force_resume,
             "{} holds rows of a job with other settings:\n{}use the same settings to continue it, or {}", name,
             describe_difference(latest, own), kAdvice);
  for (const std::string& key : options.fixed_keys) {
    const auto value = [&](const Manifest& manifest) {
      const auto found = manifest.find(key);
      return found == manifest.end() ? std::string() : found->second;
    };
    LS_CHECK(own.contains(key), "the manifest has no {}", key);
    LS_REQUIRE(ConfigError, value(latest) == value(own),
               "{} holds rows of another input, which no option mixes with this one:\n{}{}", name,
               describe_difference(latest, own), kAdvice);
  }
}

int64_t Journal::replay(int64_t begin) {
  ForwardReader reader(lock_.file);
  int64_t highest_row = -1;
  end_ = begin;
  while (const auto record = read_record(reader, end_)) {
    const RecordHead head = record->head;
    if (head.kind == RecordKind::kManifest) {
      auto manifest = decode_manifest(record->payload);
      if (!manifest) break;
      begin_share(std::move(*manifest));
    } else if (head.kind == RecordKind::kNotes) {
      auto notes = decode_manifest(record->payload);
      if (!notes) break;
      notes_ = std::move(*notes);
    } else {
      if (head.row < num_rows() && !is_finished(head.row)) take(head.kind, head.row, end_);
      highest_row = std::max(highest_row, head.row);
    }
    end_ += kRecordHeadBytes + head.payload_bytes;
  }
  return highest_row;
}

void Journal::begin_share(Manifest manifest) {
  const auto found =
      std::find_if(shares_.begin(), shares_.end(), [&](const Share& share) { return share.manifest == manifest; });
  current_share_ = static_cast<size_t>(found - shares_.begin());
  if (found == shares_.end()) shares_.push_back({std::move(manifest), 0});
}

void Journal::take(RecordKind kind, int64_t row, int64_t offset) {
  const auto index = static_cast<size_t>(row);
  offsets_[index] = offset;
  is_error_[index] = kind == RecordKind::kError;
  ++num_finished_;
  if (kind == RecordKind::kError) ++num_failed_;
  ++shares_[current_share_].num_rows;
}

void Journal::start_fresh(const JournalOptions& options) {
  if (!options.restart && output_ != "-" && fs::exists(output_)) {
    remove_file(lock_.file.path());  // it holds no rows
    LS_THROW(ConfigError, "output {} exists and no unfinished job belongs to it; give --restart to replace it",
             output_.string());
  }
  const std::string header = encode_journal_header(options.manifest);
  lock_.file.truncate(0);
  lock_.file.write(bytes_of(header), 0);
  lock_.file.sync();
  sync_directory_of(lock_.file.path());
  end_ = static_cast<int64_t>(header.size());
  discarded_bytes_ = 0;
  notes_.clear();
  shares_.clear();
  begin_share(options.manifest);
}

void Journal::keep_notes(const Notes& notes) {
  if (notes == notes_) return;
  write_at_end(encode_record(RecordKind::kNotes, kManifestRow, encode_manifest(notes)));
  lock_.file.sync();
  notes_ = notes;
}

RowKind Journal::kind(int64_t row) const {
  LS_CHECK(is_finished(row), "row {} is not in the journal", row);
  return is_error_[static_cast<size_t>(row)] ? RowKind::kError : RowKind::kResult;
}

std::vector<ForeignRows> Journal::mixed_manifests() const {
  const Manifest& own = shares_[current_share_].manifest;
  std::vector<ForeignRows> foreign;
  for (const Share& share : shares_) {
    if (share.num_rows == 0 || share.manifest == own) continue;
    foreign.push_back({share.manifest, share.num_rows, describe_difference(share.manifest, own)});
  }
  return foreign;
}

std::string Journal::read(int64_t row) const {
  LS_CHECK(is_finished(row), "row {} is not in the journal", row);
  ForwardReader reader(lock_.file);
  const auto record = read_record(reader, offset(row));
  LS_REQUIRE(IoError, record && record->head.row == row, "{} changed at byte {}", lock_.file.path().string(),
             offset(row));
  return std::string(record->payload);
}

void Journal::append(int64_t row, RowKind kind, std::string_view line) {
  LS_CHECK(row >= 0 && row < num_rows() && !is_finished(row), "row {} of {} is finished already or out of range", row,
           num_rows());
  LS_CHECK(!line.empty() && line.find('\n') == line.npos, "the result of row {} is not one line", row);
  LS_CHECK(static_cast<int64_t>(line.size()) <= kMaxPayloadBytes, "the result of row {} has {} bytes; at most {}", row,
           line.size(), kMaxPayloadBytes);
  const RecordKind record_kind = kind == RowKind::kError ? RecordKind::kError : RecordKind::kResult;
  const int64_t offset = end_;
  write_at_end(encode_record(record_kind, row, line));
  take(record_kind, row, offset);

  const auto now = std::chrono::steady_clock::now();
  if (num_unsynced_++ == 0) oldest_unsynced_ = now;
  if (num_unsynced_ >= sync_records_ || now - oldest_unsynced_ >= sync_interval_) flush();
}

void Journal::write_at_end(std::string_view bytes) {
  try {
    lock_.file.write(bytes_of(bytes), end_);
  } catch (const IoError&) {
    // Part of the record may stand there. If cutting it off fails too, the next replay does it.
    [[maybe_unused]] const int ignored = ::ftruncate(lock_.file.descriptor(), static_cast<off_t>(end_));
    throw;
  }
  end_ += static_cast<int64_t>(bytes.size());
}

void Journal::flush() {
  if (num_unsynced_ == 0) return;
  lock_.file.sync();
  num_unsynced_ = 0;
}

void Journal::remove() {
  remove_file(lock_.file.path());
  sync_directory_of(lock_.file.path());
}

std::optional<Manifest> read_first_manifest(const fs::path& base) {
  const fs::path path = journal_path(base);
  if (!fs::is_regular_file(path)) return std::nullopt;
  const File file(path, O_RDONLY);
  std::vector<std::byte> header(static_cast<size_t>(std::min(file.bytes(), kJournalPrefixBytes)));
  file.read(header, 0);
  const auto header_bytes = journal_header_bytes(header);
  if (!header_bytes || *header_bytes > file.bytes()) return std::nullopt;
  header.resize(static_cast<size_t>(*header_bytes));
  file.read(header, 0);
  return decode_journal_header(header);
}

}  // namespace lockstep
