// What lies in a store's directory: every writer with its log and segments, and which records are alive.
//
// Opening a store, `lockstep cache inspect`, `verify` and `purge` all start from a scan. It changes nothing.
#pragma once

#include "cache/disk/store_files.h"
#include "cache/disk/store_format.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lockstep {

struct ScannedRecord {
  LogEntry entry;
  std::vector<bool> dropped;  // of each of its heads
};

struct ScannedSegment {
  std::filesystem::path path;
  int64_t bytes = 0, block_bytes = 0;  // its length, which is what counts; what it occupies: less where it is sparse
  std::string problem;                 // empty: its header is right
  std::vector<ScannedRecord> records;  // as the log tells, those with no head left included
  int64_t live_heads = 0;

  int64_t live_pages() const;
};

struct ScannedWriter {
  std::filesystem::path log;
  bool has_log = false;
  std::optional<WriterFacts> facts;  // from the log, or where there is none, from a segment
  std::string problem;               // why there are no facts
  bool is_live = false;
  int64_t log_bytes = 0, good_bytes = 0;  // of the file; up to the end of the last good entry
  std::vector<LogEntry> entries;
  std::map<uint64_t, ScannedSegment> segments;
  FileHandle lock;  // of a dead writer's log, held: it stays dead

  int64_t segment_bytes() const;
  /// Ended, and of another version or damaged: no job removes its segments.
  bool is_unreadable() const { return !is_live && !facts; }
};

struct StoreScan {
  std::map<uint64_t, ScannedWriter> writers;
  std::vector<std::filesystem::path> leftovers;  // logs whose making was interrupted

  const ScannedSegment* find_segment(uint64_t writer, uint64_t segment) const;
  /// Of writers that do not live, not understood ones included.
  int64_t dead_segment_bytes() const;
  /// Of those, the ones that no job removes.
  int64_t unreadable_segment_bytes() const;
};

/// Reads all logs and segment headers. Whoever calls holds the directory's lock. Files that cannot be read or
/// understood have a `problem`. Throws IoError if the directory cannot be listed.
StoreScan scan_store(const std::filesystem::path& directory, const std::shared_ptr<SystemCalls>& calls);

/// The good entries of a log's bytes: all up to the first that is not right. `good_bytes`: where that one begins.
std::vector<LogEntry> read_entries(const WriterFacts& facts, std::span<const std::byte> log, int64_t& good_bytes);

}  // namespace lockstep
