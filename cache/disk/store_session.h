// The work of an open disk store: writes, reads and drops, called on the store's own thread only.
#pragma once

#include "cache/disk/own_segments.h"
#include "cache/disk/payload_io.h"
#include "cache/disk/store_opening.h"

#include <atomic>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lockstep {

/// Not thread-safe.
class StoreSession {
 public:
  StoreSession(const DiskStoreOptions& options, OpenedStore opened);

  // As of DiskStore.
  std::vector<std::optional<std::string>> write(std::span<const DiskStore::Write> pages);
  std::vector<std::optional<std::string>> read(std::span<const DiskStore::Read> pages);
  std::optional<std::string> forget(std::span<const Hash128> keys);
  /// The last call: leaves no empty files behind.
  void close();

  /// From any thread.
  DiskStoreBytes bytes() const;

 private:
  void let_go(const std::vector<PageCopy>& copies);
  std::vector<LogEntry> needed_entries() const;
  void shorten_log();

  std::filesystem::path directory_;
  std::shared_ptr<SystemCalls> calls_;
  WriterFacts facts_;
  PayloadIo payload_;
  std::unique_ptr<WriterLog> log_;
  PageIndex index_;
  OwnSegments own_;
  int64_t num_own_copies_ = 0;
  int64_t last_time_ = 0;
  std::vector<LogEntry> foreign_drops_;
  std::atomic<int64_t> written_{0}, read_{0}, written_stored_{0}, read_stored_{0};
};

}  // namespace lockstep
