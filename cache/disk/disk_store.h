// The disk tier of the KV cache: pages by key in a directory that ranks, jobs and later runs share.
//
// One object belongs to one rank. It writes into files of its own and reads whatever others had made durable when it
// was opened, at any tensor-parallel degree. A page is told only when all heads that this rank wants are durable; bytes
// are handed out only when their CRC32C is right. Layout, locks, recovery: docs/disk-store.md. Thread-safety: pages(),
// the capacities and io() from any thread; the rest from one thread at a time.
#pragma once

#include "cache/disk/record_shape.h"
#include "core/hash.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lockstep {

class DeadlineThread;
class SystemCalls;

struct DiskStoreOptions {
  std::filesystem::path directory;  // made if missing; on a local file system with locks
  int64_t capacity_bytes = 0;       // of all segments in the directory, of all jobs and ranks
  int32_t num_writers = 1;          // ranks of this job that write into the directory
  Hash128 content;                  // model, format, numerics; pages of others are kept and never seen
  RecordShape shape;
  HeadRange heads;                            // of the model, that this rank writes and wants back
  std::string io = "auto";                    // auto, uring, pread, mmap
  int32_t packing_level = 0;                  // of zstd, for what this rank writes; 0 = as it is
  int32_t packing_threads = 1;                // that pack or unpack the pages of a call
  std::chrono::milliseconds timeout{30'000};  // of one call of write, read or forget, and of opening's wait for locks
  /// How long opening waits for the ranks of an ended job to let go, where they leave no room.
  std::chrono::milliseconds patience{2'000};
};

/// What opening found and did.
struct DiskStoreOpening {
  int64_t pages = 0;             // whole ones for this rank
  int64_t pages_of_others = 0;   // of other contents or shapes
  int64_t removed_segments = 0;  // without a page, or the oldest, for room
  int64_t removed_bytes = 0;
  int64_t unreadable_bytes = 0;       // of segments of another version, or damaged, that no job removes; purge can
  std::vector<std::string> problems;  // files that are left alone: "PATH has version 4; …"
};

/// Bytes of pages that were written or read well, since opening.
struct DiskStoreBytes {
  int64_t written = 0, read = 0;                // payload with its padding
  int64_t written_stored = 0, read_stored = 0;  // the same on disk: fewer where records are packed
};

class DiskStore {
 public:
  /// Creates the directory, recovers what crashes left behind, makes room, and reads all logs.
  /// Throws: ConfigError naming the least capacity, or the ways of I/O; IoError if the directory cannot be used.
  explicit DiskStore(const DiskStoreOptions& options, std::shared_ptr<SystemCalls> calls = nullptr);
  /// Does not wait for I/O that is late; memory handed to it is then never free again.
  ~DiskStore();

  /// Keys of which all heads of this rank were durable at open, oldest first.
  const std::vector<Hash128>& pages() const;
  /// Pages that this rank may write and hold beside those: whole segments. 0 if other jobs hold the directory.
  int64_t capacity_pages() const;
  /// Write attempts that share a segment: attempt i lies in own segment i / pages_per_segment(). The same on all ranks
  /// with equal shape, number of heads, capacity and num_writers.
  int64_t pages_per_segment() const;
  /// How payload travels: "io_uring, O_DIRECT".
  const std::string& io() const;
  const DiskStoreOpening& opening() const;
  /// From any thread.
  DiskStoreBytes bytes() const;

  struct Write {
    Hash128 key;
    std::span<const std::byte> heads;      // [heads.count] payloads aligned_payload_bytes() apart; 4096-aligned
    std::span<const uint32_t> layer_crcs;  // CRC32C of each [head][layer]
    std::optional<uint64_t> attempt = {};  // from 0, in any order, each once; nothing: the one behind the last so far
  };
  struct Read {
    Hash128 key;
    std::span<std::byte> heads;
    std::span<uint32_t> layer_crcs;
  };

  /// Each page is one attempt. Per page nothing, then it is durable, or why it failed.
  std::vector<std::optional<std::string>> write(std::span<const Write> pages);
  /// Per page nothing, then all layers of all heads have their CRC32C and padding is zero, or why it failed; the memory
  /// of a page that failed holds anything.
  std::vector<std::optional<std::string>> read(std::span<const Read> pages);
  /// The pages are gone for this rank, and after the next open too unless a reason why not is returned. A segment
  /// without a page is removed. Unknown keys are passed over.
  std::optional<std::string> forget(std::span<const Hash128> keys);

  /// A call took longer than the timeout. Every later one fails at once. That call's I/O may still be on its way: the
  /// memory it was given is neither used nor freed before is_idle().
  bool is_off() const;
  bool is_idle() const;

 private:
  template <class Page, class Call>
  std::vector<std::optional<std::string>> run_pages(std::span<const Page> pages, const Call& call);
  std::string late_text(bool was_off) const;

  class Impl;
  std::shared_ptr<Impl> impl_;  // shared with a late call
  std::unique_ptr<DeadlineThread> thread_;
};

}  // namespace lockstep
