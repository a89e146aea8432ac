// What `lockstep cache inspect`, `verify` and `purge` do to a store's directory, beside jobs that use it.
#pragma once

#include "cache/disk/store_scan.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lockstep {

/// One model, format and shape in a store.
struct ContentSummary {
  Hash128 content;
  RecordShape shape;
  int32_t num_heads = 0;    // the highest head of any writer, plus 1
  int64_t pages = 0;        // with at least one head
  int64_t whole_pages = 0;  // with all of num_heads
  int64_t payload_bytes = 0;
  int64_t stored_bytes = 0;  // what it takes on disk, in whole blocks: less where records are packed
};

/// The directory as it is now; no lock is held on return. Throws IoError if it is no store or cannot be read.
StoreScan inspect_store(const std::filesystem::path& directory, const std::shared_ptr<SystemCalls>& calls);
std::vector<ContentSummary> summarise(const StoreScan& scan);

struct Verified {
  int64_t records = 0, bytes = 0;  // (page, head) records read and their payload
  int64_t stored_bytes = 0;        // of them, on disk
  int64_t bad = 0;                 // of them, or of headers and log entries
};
/// Reads every record that is alive and checks every checksum; `say` gets a line for each bad one, with file and
/// offset. The directory's lock is held only to look around. Throws as inspect_store.
Verified verify_store(const std::filesystem::path& directory, const std::shared_ptr<SystemCalls>& calls,
                      const std::function<void(const std::string&)>& say);

struct Purged {
  int64_t segments = 0, segment_bytes = 0, logs = 0;
  int64_t segments_in_use = 0;                            // would have been removed
  int64_t unreadable_segments = 0, unreadable_bytes = 0;  // that stay, of another version or damaged
};
/// Removes what no living job writes or reads: of `content` alone if given; with `all`, files that are not understood
/// too. Throws as inspect_store.
Purged purge_store(const std::filesystem::path& directory, const std::shared_ptr<SystemCalls>& calls,
                   std::optional<Hash128> content, bool all);

}  // namespace lockstep
