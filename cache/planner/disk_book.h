// The leader's books of the disk store: which pages it has, and which of them go together when it needs room.
//
// Pages that this job writes fill segments in the order of their writing, failed ones included, on every rank alike;
// room is made by giving up whole segments. Not thread-safe.
#pragma once

#include "core/hash.h"

#include <cstdint>
#include <deque>
#include <unordered_set>
#include <vector>

namespace lockstep {

class DiskBook {
 public:
  struct Segment {
    uint64_t number = 0;
    std::vector<Hash128> keys;
  };

  DiskBook(int64_t num_pages, int64_t pages_per_segment, const std::vector<Hash128>& stored)
      : pages_per_segment_(pages_per_segment),
        max_segments_(num_pages / pages_per_segment),
        orphans_(stored.begin(), stored.end()) {}

  bool takes_pages() const { return max_segments_ > 0; }
  /// Whether the next page can be written without giving up a segment.
  bool has_room() const { return takes_pages() && (has_open_segment() || num_segments() < max_segments_); }
  /// Requires has_room().
  void add(const Hash128& key) {
    if (!has_open_segment()) segments_.push_back({next_segment_++, {}});
    segments_.back().keys.push_back(key);
  }
  /// Full segments, oldest first.
  const std::deque<Segment>& segments() const { return segments_; }
  bool is_full(const Segment& segment) const { return static_cast<int64_t>(segment.keys.size()) == pages_per_segment_; }
  Segment take(size_t index) {
    Segment segment = std::move(segments_[index]);
    segments_.erase(segments_.begin() + static_cast<int64_t>(index));
    return segment;
  }
  /// Takes no pages any more, has none.
  void close() {
    max_segments_ = 0;
    segments_.clear();
    orphans_.clear();
  }

  // Pages in the store that the prefix tree does not have: of earlier jobs, or cut off from their beginnings.
  bool has_orphan(const Hash128& key) const { return orphans_.contains(key); }
  void add_orphan(const Hash128& key) { orphans_.insert(key); }
  bool take_orphan(const Hash128& key) { return orphans_.erase(key) > 0; }
  int64_t num_orphans() const { return static_cast<int64_t>(orphans_.size()); }

 private:
  int64_t num_segments() const { return static_cast<int64_t>(segments_.size()); }
  bool has_open_segment() const { return !segments_.empty() && !is_full(segments_.back()); }

  int64_t pages_per_segment_, max_segments_;
  uint64_t next_segment_ = 0;
  std::deque<Segment> segments_;
  std::unordered_set<Hash128> orphans_;
};

}  // namespace lockstep
