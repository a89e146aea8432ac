// Where a rank's heads of each page lie: the store's memory of its directory. Holds open what it points to.
#pragma once

#include "cache/disk/store_format.h"
#include "cache/disk/system_calls.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

namespace lockstep {

/// A segment file in use: open and locked shared, so that no job reclaims it.
struct OpenSegment {
  FileHandle file;
  std::filesystem::path path;
  WriterFacts facts;
  uint64_t index = 0;
  bool is_own = false;
  bool may_grow = false;   // its writer lived when it was opened: it may hold pages that this rank has not heard of
  int64_t live_heads = 0;  // of all its records, as far as this rank knows
};

/// A run of heads of a page in one record.
struct PageCopy {
  std::shared_ptr<OpenSegment> segment;
  uint32_t slot = 0;
  HeadRange heads;
  int64_t time = 0;
  std::vector<uint32_t> layer_crcs;    // [heads.count][num_layers]
  std::vector<RecordPacking> packing;  // [heads.count]
  int64_t begin = 0;                   // of the first head, within the slot
};

/// A part of a page that is one read: heads [heads.first, heads.end()) of `copy`.
struct PagePart {
  const PageCopy* copy;
  HeadRange heads;

  int64_t offset() const;
  /// How each head of the part lies there, one behind the other.
  std::span<const RecordPacking> packing() const;
  bool is_packed() const;
  int64_t stored_bytes() const;
  /// CRC32C of each [head][layer] of the part.
  std::span<const uint32_t> layer_crcs() const;
};

/// Not thread-safe.
class PageIndex {
 public:
  /// For the heads that the rank wants.
  explicit PageIndex(HeadRange heads) : heads_(heads) {}

  /// The copy's heads that are not wanted do not count. A later copy of the same heads is read first.
  void add(const Hash128& key, PageCopy copy);
  /// The fewest runs in order that make up all heads; empty if some are missing.
  std::vector<PagePart> find(const Hash128& key) const;
  /// Removes the page and returns its copies.
  std::vector<PageCopy> remove(const Hash128& key);
  /// Removes copies whose file is not open.
  void remove_unopened();
  /// Forgets pages of which heads are missing; returns the others' keys, oldest first.
  std::vector<Hash128> keep_whole_pages();
  const std::unordered_map<Hash128, std::vector<PageCopy>>& pages() const { return pages_; }

 private:
  HeadRange heads_;
  std::unordered_map<Hash128, std::vector<PageCopy>> pages_;
};

}  // namespace lockstep
