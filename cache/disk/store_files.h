// Names and locks of a store's directory.
//
//   lock               held by whoever opens, reclaims, compacts or purges, for that moment
//   w-ID.log           log of a writer, locked exclusively as long as the writer lives
//   w-ID.log.new       a log being made; left behind only by a crash
//   w-ID-N.seg         its N-th segment, locked shared by its writer and by all who read it
#pragma once

#include "cache/disk/system_calls.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

namespace lockstep {

enum class StoreFileKind : uint8_t { kLog, kNewLog, kSegment };

struct StoreFile {
  StoreFileKind kind = StoreFileKind::kLog;
  uint64_t writer = 0;
  uint64_t segment = 0;
  bool operator==(const StoreFile&) const = default;
};

std::filesystem::path log_path(const std::filesystem::path& directory, uint64_t writer);
std::filesystem::path new_log_path(const std::filesystem::path& directory, uint64_t writer);
std::filesystem::path segment_path(const std::filesystem::path& directory, uint64_t writer, uint64_t segment);
/// nullopt for a name that is none of a store's.
std::optional<StoreFile> parse_store_file(const std::string& name);

/// The directory's lock, held until the handle is destroyed; no handle if another holds it for all of `patience`.
/// Throws IoError if the lock file cannot be opened or the file system has no locks.
FileHandle lock_directory(const std::filesystem::path& directory, const std::shared_ptr<SystemCalls>& calls,
                          std::chrono::milliseconds patience);

}  // namespace lockstep
