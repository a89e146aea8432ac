// The log of a living writer: what it made durable, appended in groups.
#pragma once

#include "cache/disk/store_format.h"
#include "cache/disk/system_calls.h"

#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace lockstep {

/// Not thread-safe. The file is locked as long as the object lives.
class WriterLog {
 public:
  /// Makes the log. Whoever calls holds the directory's lock. Throws IoError.
  WriterLog(const std::filesystem::path& directory, const WriterFacts& facts, std::shared_ptr<SystemCalls> calls);

  /// Appends all entries with one write and one sync. Empty: they are durable. Else why not; then none of them counts,
  /// and if the file cannot be brought back to its last good end, nothing can be appended any more.
  std::string append(std::span<const LogEntry> entries);
  int64_t num_entries() const { return num_entries_; }

  /// Replaces the log by one with these entries alone; empty, or why not. Whoever calls holds the directory's lock.
  std::string rewrite(std::span<const LogEntry> entries);
  /// Removes the file: the writer leaves nothing behind.
  void remove();

 private:
  std::filesystem::path directory_;
  WriterFacts facts_;
  std::shared_ptr<SystemCalls> calls_;
  FileHandle file_;
  int64_t end_ = 0;
  int64_t num_entries_ = 0;
  std::string broken_;  // why nothing can be appended
};

}  // namespace lockstep
