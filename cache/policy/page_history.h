// What an online policy remembers of pages by their content: those that are cached, and a bounded list of those that
// left (ghosts), so that a page that comes back is known and its time away is learned from. Not thread-safe.
#pragma once

#include "core/hash.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <unordered_map>
#include <vector>

namespace lockstep {

class PageHistory {
 public:
  struct Entry {
    Hash128 key;
    uint64_t last_use = 0;
    int64_t num_uses = 0;  // over all its times in the cache that are remembered
    uint32_t page_class = 0;
    bool is_cached = false;
    bool is_used = false;  // false: a free entry
    uint64_t left = 0;     // number of its last leaving: tells a ghost from one that came back and left again
  };

  /// Ghosts number at most kGhostsPerPage times the most pages cached at once, and at most kMaxGhosts.
  static constexpr int64_t kGhostsPerPage = 8;
  static constexpr int64_t kMaxGhosts = int64_t{1} << 20;

  /// The page's entry; a new one if it is not remembered. Valid until the next call of enter() or leave().
  Entry& enter(const Hash128& key);
  /// nullptr if it is not remembered.
  Entry* find(const Hash128& key);
  const Entry* find(const Hash128& key) const;
  /// A cached page becomes a ghost; `forget` is told of each ghost that has to go for it, the oldest first.
  void leave(Entry& entry, const std::function<void(const Entry&)>& forget);

  int64_t num_cached() const { return num_cached_; }
  int64_t num_ghosts() const { return num_ghosts_; }
  /// Of leavings that are still kept, those of pages that came back included: at most twice the most ghosts.
  int64_t num_records() const { return static_cast<int64_t>(ghosts_.size()); }
  /// All entries, free ones among them, in an order that depends on the calls alone.
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  struct Ghost {
    uint32_t index;
    uint64_t left;
  };
  void drop_oldest(const std::function<void(const Entry&)>& forget);

  std::vector<Entry> entries_;
  std::vector<uint32_t> free_;
  std::unordered_map<Hash128, uint32_t> index_;
  std::deque<Ghost> ghosts_;  // oldest first; some have come back
  int64_t num_cached_ = 0, num_ghosts_ = 0, most_cached_ = 0;
  uint64_t num_left_ = 0;
};

}  // namespace lockstep
