// Finished rows of a job, safe on disk while the job runs: `<base>.journal`, append-only and checksummed.
//
// A job that is killed at any moment is started again with the same command: the constructor replays the journal, the
// caller computes the rows that are missing, output_files.h writes all of them in input order. The layout of the file
// is in journal_format.h. One writer: flock makes a second job with the same base fail. Memory: 8 bytes and a bit a
// row. Not thread-safe.
#pragma once

#include "launcher/batch/file.h"
#include "launcher/batch/file_lock.h"
#include "launcher/batch/journal_format.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

struct JournalOptions {
  /// Where the finished results go: a file, or "-" for standard output.
  std::filesystem::path output;
  /// The path beside which the journal stands; "" is `output`. Required where that is "-".
  std::filesystem::path base{};
  /// All that decides the output bytes: a journal made under another manifest is not continued.
  Manifest manifest;
  /// What to keep beside it; replaces the notes of earlier runs.
  Notes notes{};
  /// Rows of the job.
  int64_t num_rows = 0;
  /// Discard a journal and replace an output of an earlier job.
  bool restart = false;
  /// Continue a journal made under another manifest: its rows are kept, mixed_manifests() tells them.
  bool force_resume = false;
  /// Keys of the manifest that must be equal even then: rows of another input would not belong together.
  std::vector<std::string> fixed_keys{"input"};
  /// How long to wait for another process that holds the journal: the ranks of a killed mpirun take a moment to end.
  std::chrono::milliseconds lock_patience{0};
  /// append() makes records durable when this many wait, or the oldest waits this long (looked at by append() only).
  int64_t sync_records = 256;
  std::chrono::milliseconds sync_interval{2000};
};

/// Rows of a journal that were finished under a manifest other than this job's.
struct ForeignRows {
  Manifest manifest;
  int64_t num_rows = 0;
  /// As describe_difference.
  std::string difference;
};

class Journal {
 public:
  /// Starts or continues the journal of `options`; truncates a tail that does not check out.
  /// Throws: ConfigError if the output exists without a journal, or the journal's latest manifest differs (naming each
  ///         difference), unless `restart` or, for keys that are not fixed, `force_resume`; IoError if the place cannot
  ///         be written or another job holds the journal; FormatError if the journal's header is damaged or another
  ///         version's.
  explicit Journal(const JournalOptions& options);
  Journal(Journal&&) = default;

  bool is_finished(int64_t row) const { return offset(row) >= 0; }
  /// How a finished row ended.
  RowKind kind(int64_t row) const;
  int64_t num_finished() const { return num_finished_; }
  int64_t num_rows() const { return static_cast<int64_t>(offsets_.size()); }
  /// Finished rows that are error rows.
  int64_t num_failed() const { return num_failed_; }
  /// Rows that were there when the journal was opened.
  int64_t num_resumed() const { return num_resumed_; }
  /// Bytes of a broken tail that opening cut off; 0 after a clean stop.
  int64_t discarded_bytes() const { return discarded_bytes_; }
  /// False on file systems without flock: then nothing keeps a second job away, and the caller should say so.
  bool is_locked() const { return lock_.is_held; }
  /// Rows made under other manifests, by manifest; empty unless a job was forced to continue them.
  std::vector<ForeignRows> mixed_manifests() const;
  /// As the constructor was given.
  const Notes& notes() const { return notes_; }
  /// The line of a finished row. Throws IoError if its record is damaged. For many rows: journal_reader.h.
  std::string read(int64_t row) const;

  /// Adds the line (without line end, not empty) of an unfinished row. When this returns, the record survives
  /// the death of this process; it survives the machine's after the next sync. After an IoError (a full disk) the
  /// journal holds all earlier records and may be appended to again.
  void append(int64_t row, RowKind kind, std::string_view line);
  void append(int64_t row, std::string_view line) { append(row, RowKind::kResult, line); }
  /// Makes all records durable now.
  void flush();

  /// Removes the journal: all rows are in the output. No other call may follow.
  void remove();

  const File& file() const { return lock_.file; }
  /// Where the record of a row stands in file(); -1 if it is not finished.
  int64_t offset(int64_t row) const { return offsets_.at(static_cast<size_t>(row)); }

 private:
  /// Rows finished under one manifest.
  struct Share {
    Manifest manifest;
    int64_t num_rows = 0;
  };
  /// False if there is nothing to continue.
  bool continue_existing(const JournalOptions& options);
  void start_fresh(const JournalOptions& options);
  /// Takes over all records from `begin` on that check out; returns the highest row that occurs, -1 if none does. Rows
  /// beyond this job's are not taken over: the journal may turn out to be another job's.
  int64_t replay(int64_t begin);
  void require_continuable(const JournalOptions& options, const Manifest& own) const;
  void take(RecordKind kind, int64_t row, int64_t offset);
  void begin_share(Manifest manifest);
  void keep_notes(const Notes& notes);
  void write_at_end(std::string_view bytes);

  std::filesystem::path output_;
  LockedFile lock_;
  Notes notes_;
  /// Where the next record goes.
  int64_t end_ = 0;
  /// Offset of each row's record; -1 where unfinished.
  std::vector<int64_t> offsets_;
  std::vector<bool> is_error_;
  std::vector<Share> shares_;
  /// The share of this job in shares_.
  size_t current_share_ = 0;
  int64_t num_finished_ = 0, num_failed_ = 0, num_resumed_ = 0, discarded_bytes_ = 0;
  int64_t num_unsynced_ = 0;
  int64_t sync_records_;
  std::chrono::milliseconds sync_interval_;
  std::chrono::steady_clock::time_point oldest_unsynced_;
};

/// The manifest under which the journal of `base` was begun; nothing if there is none that can be read.
std::optional<Manifest> read_first_manifest(const std::filesystem::path& base);

/// "<base>.journal".
std::filesystem::path journal_path(const std::filesystem::path& base);

}  // namespace lockstep
