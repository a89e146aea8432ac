// What may be removed from a store's directory, and removing it: recovery after crashes, reclaim by age, purge.
//
// Only files of dead writers whose logs are understood are touched, and of their segments only those that no reader has
// locked. Whoever calls holds the directory's lock and a fresh scan. The scan is kept up to date with what is removed.
#pragma once

#include "cache/disk/store_scan.h"

#include <cstdint>
#include <filesystem>
#include <memory>

namespace lockstep {

struct Cleaned {
  int64_t segments = 0, segment_bytes = 0, logs = 0;
};

/// Removes a segment nobody uses. False if somebody does, or it cannot be removed. `scan` loses it.
bool remove_segment(StoreScan& scan, uint64_t writer, uint64_t segment, const std::shared_ptr<SystemCalls>& calls);

/// Ends dead writers' logs behind their last good entry; removes logs whose making was interrupted, segments without a
/// live page, and segments whose log is gone.
void recover(StoreScan& scan, const std::filesystem::path& directory, const std::shared_ptr<SystemCalls>& calls,
             Cleaned& cleaned);

/// Removes the oldest removable segments until those of dead writers have at most `bytes`, or none is left.
void reclaim(StoreScan& scan, int64_t bytes, const std::shared_ptr<SystemCalls>& calls, Cleaned& cleaned);

/// Removes dead logs that say nothing any more, and shortens those of which more than half is void.
void clean_logs(StoreScan& scan, const std::filesystem::path& directory, const std::shared_ptr<SystemCalls>& calls,
                Cleaned& cleaned);

/// Writes a log anew, beside the old one, and puts it in its place, durably; the new file is locked before it is seen.
/// `problem` says why not; the old log is then as it was unless `is_replaced`.
struct NewLog {
  FileHandle file;
  int64_t bytes = 0;
  bool is_replaced = false;
  std::string problem;
};
NewLog replace_log(const std::filesystem::path& directory, const WriterFacts& facts, std::span<const LogEntry> entries,
                   const std::shared_ptr<SystemCalls>& calls);

/// True if the entry still says something: a page with a head alive, or a drop of a record whose segment is there.
bool is_needed(const StoreScan& scan, const LogEntry& entry);

}  // namespace lockstep
