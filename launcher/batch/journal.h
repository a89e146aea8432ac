// Finished rows of a job, safe on disk while the job runs: `<output>.journal`, append-only and checksummed.
//
// A job that is killed at any moment is started again with the same command: open() replays the journal, the caller
// computes the rows that are missing, finalize() writes all of them in input order. The layout of the file is in
// journal_format.h. One writer: flock makes a second job with the same output fail. Not thread-safe.
#pragma once

#include "launcher/batch/file.h"
#include "launcher/batch/journal_format.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

struct JournalOptions {
  /// Where the finished results go; the journal and the partial result file stand beside it.
  std::filesystem::path output;
  /// All that decides the output bytes: a journal made under another manifest is not continued.
  Manifest manifest;
  /// Rows of the job.
  int64_t num_rows = 0;
  /// Discard a journal and replace an output of an earlier job.
  bool restart = false;
  /// How long to wait for another process that holds the journal: the ranks of a killed mpirun take a moment to end.
  std::chrono::milliseconds lock_patience{0};
  /// append() makes records durable when this many wait, or the oldest waits this long (looked at by append() only).
  int64_t sync_records = 256;
  std::chrono::milliseconds sync_interval{2000};
};

class Journal {
 public:
  /// Starts or continues the journal of `options.output`; truncates a tail that does not check out.
  /// Throws: ConfigError if the output exists without a journal, or the journal's manifest differs (naming each
  ///         difference), unless `restart`; IoError if the place cannot be written or another job holds the journal;
  ///         FormatError if the journal's header is damaged.
  explicit Journal(const JournalOptions& options);
  Journal(Journal&&) = default;

  bool is_finished(int64_t row) const { return offsets_.at(static_cast<size_t>(row)) >= 0; }
  int64_t num_finished() const { return num_finished_; }
  int64_t num_rows() const { return static_cast<int64_t>(offsets_.size()); }
  /// Rows that were there when the journal was opened.
  int64_t num_resumed() const { return num_resumed_; }
  /// Bytes of a broken tail that opening cut off; 0 after a clean stop.
  int64_t discarded_bytes() const { return discarded_bytes_; }
  /// False on file systems without flock: then nothing keeps a second job away, and the caller should say so.
  bool is_locked() const { return lock_.is_held; }
  /// The payload of a finished row.
  std::string read(int64_t row) const;

  /// Adds the result line (without line end, not empty) of an unfinished row. When this returns, the record survives
  /// the death of this process; it survives the machine's after the next sync. After an IoError (a full disk) the
  /// journal holds all earlier records and may be appended to again.
  void append(int64_t row, std::string_view line);
  /// Makes all records durable now.
  void flush();

  /// Writes all lines in row order to `<output>.partial`, renames it to the output, removes the journal. All rows must
  /// be finished. Killed midway, the same command finishes the rest. No other call may follow.
  void finalize();

 private:
  struct Lock {
    File file;
    bool is_held;
  };
  static Lock open_and_lock(const std::filesystem::path& output, std::chrono::milliseconds patience);
  /// False if there is nothing to continue.
  bool continue_existing(const JournalOptions& options);
  void start_fresh(const JournalOptions& options);
  void replay(int64_t begin, int64_t file_bytes);

  std::filesystem::path output_;
  Lock lock_;
  /// Where the next record goes.
  int64_t end_ = 0;
  /// Offset of each row's record; -1 where unfinished.
  std::vector<int64_t> offsets_;
  int64_t num_finished_ = 0, num_resumed_ = 0, discarded_bytes_ = 0;
  int64_t num_unsynced_ = 0;
  int64_t sync_records_;
  std::chrono::milliseconds sync_interval_;
  std::chrono::steady_clock::time_point oldest_unsynced_;
};

/// "<output>.journal".
std::filesystem::path journal_path(const std::filesystem::path& output);

}  // namespace lockstep
