#include "launcher/batch/journal.h"

#include "core/error.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <span>
#include <sys/file.h>
#include <thread>
#include <unistd.h>

namespace lockstep {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBufferBytes = size_t{1} << 20;

fs::path with_suffix(fs::path path, const char* suffix) { return path += suffix; }

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

/// Takes the lock, waiting up to `patience` for a process that holds it. False on a file system that has none.
/// Throws IoError if it is still held then.
bool lock_or_throw(const File& file, const fs::path& output, std::chrono::milliseconds patience) {
  constexpr std::chrono::milliseconds kPause{50};
  const auto deadline = std::chrono::steady_clock::now() + patience;
  int code = 0;
  while (::flock(file.descriptor(), LOCK_EX | LOCK_NB) != 0) {
    code = errno;
    if (code == EINTR) continue;
    if (code != EWOULDBLOCK || std::chrono::steady_clock::now() >= deadline) break;
    std::this_thread::sleep_for(kPause);
    code = 0;
  }
  if (code == 0 || code == EINTR) return true;
  LS_REQUIRE(IoError, code != EWOULDBLOCK, "another job is writing {} (it holds {})", output.string(),
             file.path().string());
  // Lustre mounted without -o flock, some FUSE file systems.
  LS_REQUIRE(IoError, code == ENOSYS || code == EOPNOTSUPP || code == ENOLCK, "cannot lock {}: {}",
             file.path().string(), std::strerror(code));
  return false;
}

/// Reads a file front to back through one buffer.
class ForwardReader {
 public:
  explicit ForwardReader(const File& file) : file_(file) {}

  /// `count` bytes from `offset`, which must exist. Valid until the next call.
  std::span<const std::byte> at(int64_t offset, size_t count) {
    if (offset < begin_ || offset + static_cast<int64_t>(count) > begin_ + static_cast<int64_t>(buffer_.size())) {
      buffer_.resize(std::max(count, kBufferBytes));
      buffer_.resize(static_cast<size_t>(file_.read_some(buffer_, offset)));
      begin_ = offset;
      LS_REQUIRE(IoError, buffer_.size() >= count, "{} shrank while it was read", file_.path().string());
    }
    return std::span(buffer_).subspan(static_cast<size_t>(offset - begin_), count);
  }

 private:
  const File& file_;
  std::vector<std::byte> buffer_;
  int64_t begin_ = 0;
};

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// The record at `offset`, if one stands there whole and undamaged: its row and payload bytes.
std::optional<RecordHead> record_at(ForwardReader& reader, int64_t offset, int64_t file_bytes) {
  if (file_bytes - offset < kRecordHeadBytes) return std::nullopt;
  const RecordHead head =
      decode_record_head(reader.at(offset, kRecordHeadBytes).first<static_cast<size_t>(kRecordHeadBytes)>());
  if (head.payload_bytes > std::min(kMaxPayloadBytes, file_bytes - offset - kRecordHeadBytes)) return std::nullopt;
  const auto payload = reader.at(offset + kRecordHeadBytes, head.payload_bytes);
  return is_record_valid(head, as_text(payload)) ? std::optional(head) : std::nullopt;
}

}  // namespace

fs::path journal_path(const fs::path& output) { return with_suffix(output, ".journal"); }

Journal::Lock Journal::open_and_lock(const fs::path& output, std::chrono::milliseconds patience) {
  LS_REQUIRE(ConfigError, !fs::exists(output) || fs::is_regular_file(output), "output {} is not a regular file",
             output.string());
  for (;;) {
    File file(journal_path(output), O_RDWR | O_CREAT);
    const bool is_held = lock_or_throw(file, output, patience);
    // The job that held it before may have finished and removed the file between our open and our lock.
    if (file.is_at_path()) return {std::move(file), is_held};
  }
}

Journal::Journal(const JournalOptions& options)
    : output_(options.output),
      lock_(open_and_lock(options.output, options.lock_patience)),
      offsets_(static_cast<size_t>(options.num_rows), -1),
      sync_records_(options.sync_records),
      sync_interval_(options.sync_interval) {
  if (options.restart || !continue_existing(options)) start_fresh(options);
}

bool Journal::continue_existing(const JournalOptions& options) {
  const std::string advice = "give --restart to discard it and begin again";
  const std::string name = lock_.file.path().string();
  const int64_t file_bytes = lock_.file.bytes();
  // Less than a whole header: the job that made the file was killed before its first record.
  if (file_bytes < kJournalPrefixBytes) return false;
  ForwardReader reader(lock_.file);
  const auto header_bytes = journal_header_bytes(reader.at(0, kJournalPrefixBytes));
  LS_REQUIRE(FormatError, header_bytes, "{} is no journal of this program, or its beginning is damaged; {}", name,
             advice);
  if (file_bytes < *header_bytes) return false;
  const auto manifest = decode_journal_header(reader.at(0, static_cast<size_t>(*header_bytes)));
  LS_REQUIRE(FormatError, manifest, "the manifest in {} is damaged; {}", name, advice);

  // As written, so that characters which the header cannot hold compare equal.
  const Manifest own = *decode_journal_header(bytes_of(encode_journal_header(options.manifest)));
  if (*manifest != own) {
    if (file_bytes == *header_bytes) return false;  // nothing would be lost
    LS_THROW(ConfigError, "{} holds rows of a job with other settings:\n{}use the same settings to continue it, or {}",
             name, describe_difference(*manifest, own), advice);
  }
  replay(*header_bytes, file_bytes);
  return true;
}

void Journal::replay(int64_t begin, int64_t file_bytes) {
  ForwardReader reader(lock_.file);
  end_ = begin;
  while (const auto head = record_at(reader, end_, file_bytes)) {
    LS_REQUIRE(FormatError, head->row < num_rows(), "{} holds row {} of a job with {} rows", lock_.file.path().string(),
               head->row, num_rows());
    int64_t& offset = offsets_[static_cast<size_t>(head->row)];
    if (offset < 0) {
      offset = end_;
      ++num_finished_;
    }
    end_ += kRecordHeadBytes + head->payload_bytes;
  }
  num_resumed_ = num_finished_;
  discarded_bytes_ = file_bytes - end_;
  if (discarded_bytes_ > 0) {
    lock_.file.truncate(end_);
    lock_.file.sync();
  }
}

void Journal::start_fresh(const JournalOptions& options) {
  if (!options.restart && fs::exists(output_)) {
    fs::remove(lock_.file.path());  // it holds no rows
    LS_THROW(ConfigError, "output {} exists and no unfinished job belongs to it; give --restart to replace it",
             output_.string());
  }
  const std::string header = encode_journal_header(options.manifest);
  lock_.file.truncate(0);
  lock_.file.write(bytes_of(header), 0);
  lock_.file.sync();
  sync_directory_of(lock_.file.path());
  end_ = static_cast<int64_t>(header.size());
}

std::string Journal::read(int64_t row) const {
  LS_CHECK(is_finished(row), "row {} is not in the journal", row);
  const int64_t offset = offsets_[static_cast<size_t>(row)];
  std::array<std::byte, static_cast<size_t>(kRecordHeadBytes)> head_bytes;
  lock_.file.read(head_bytes, offset);
  const RecordHead head = decode_record_head(head_bytes);
  LS_REQUIRE(IoError, head.payload_bytes <= kMaxPayloadBytes, "{} changed at byte {}", lock_.file.path().string(),
             offset);
  std::string payload(head.payload_bytes, '\0');
  lock_.file.read(std::as_writable_bytes(std::span(payload)), offset + kRecordHeadBytes);
  LS_REQUIRE(IoError, head.row == row && is_record_valid(head, payload), "{} changed at byte {}",
             lock_.file.path().string(), offset);
  return payload;
}

void Journal::append(int64_t row, std::string_view line) {
  LS_CHECK(row >= 0 && row < num_rows() && !is_finished(row), "row {} of {} is finished already or out of range", row,
           num_rows());
  LS_CHECK(!line.empty() && line.find('\n') == line.npos, "the result of row {} is not one line", row);
  LS_CHECK(static_cast<int64_t>(line.size()) <= kMaxPayloadBytes, "the result of row {} has {} bytes; at most {}", row,
           line.size(), kMaxPayloadBytes);
  const std::string record = encode_record(row, line);
  try {
    lock_.file.write(bytes_of(record), end_);
  } catch (const IoError&) {
    // Part of the record may stand there. If cutting it off fails too, the next replay does it.
    [[maybe_unused]] const int ignored = ::ftruncate(lock_.file.descriptor(), static_cast<off_t>(end_));
    throw;
  }
  offsets_[static_cast<size_t>(row)] = end_;
  end_ += static_cast<int64_t>(record.size());
  ++num_finished_;

  const auto now = std::chrono::steady_clock::now();
  if (num_unsynced_++ == 0) oldest_unsynced_ = now;
  if (num_unsynced_ >= sync_records_ || now - oldest_unsynced_ >= sync_interval_) flush();
}

void Journal::flush() {
  if (num_unsynced_ == 0) return;
  lock_.file.sync();
  num_unsynced_ = 0;
}

void Journal::finalize() {
  LS_CHECK(num_finished_ == num_rows(), "only {} of {} rows are finished", num_finished_, num_rows());
  flush();
  const fs::path partial_path = with_suffix(output_, ".partial");
  File partial(partial_path, O_WRONLY | O_CREAT | O_TRUNC);
  std::string buffer;
  int64_t written = 0;
  for (int64_t row = 0; row < num_rows(); ++row) {
    buffer += read(row);
    buffer += '\n';
    if (buffer.size() < kBufferBytes && row + 1 < num_rows()) continue;
    partial.write(bytes_of(buffer), written);
    written += static_cast<int64_t>(buffer.size());
    buffer.clear();
  }
  partial.sync();
  replace_file(partial_path, output_);
  fs::remove(lock_.file.path());
  sync_directory_of(output_);
}

}  // namespace lockstep
