// How many hits an LRU cache of any size would have had: reuse (stack) distances of a sample of the pages.
//
// An access's distance is the number of other pages used since the same page was used; a cache of C pages hits if it is
// below C. Pages are sampled by a hash of their key, so that a page is followed always or never; distances among
// sampled pages are scaled up. Memory is bounded: where too many pages are sampled, every second one is dropped and the
// rate halves. At rate 1, while all pages fit, every figure is exact. Below it, pages that come back within kNear
// accesses are counted one by one besides: the few pages that every request reads would else be sampled all or not.
// Deterministic: a function of the accesses. Not thread-safe.
// Sources: Mattson et al. 1970; Waldspurger et al., SHARDS, FAST 2015 (fixed size).
#pragma once

#include "core/hash.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

namespace lockstep {

class StackDistance {
 public:
  struct Options {
    /// One of 2^sampling pages is followed at first; 0 to 20.
    int sampling = 7;
    /// Sampled pages that are followed at most, ≥ 2; about 60 bytes each, beside half a MiB.
    int64_t max_pages = 16384;
  };
  /// Throws ConfigError for options out of range.
  explicit StackDistance(const Options& options);

  /// A page was used. Constant time for a page that is not sampled, else O(log max_pages).
  void access(const Hash128& key) {
    ++num_accesses_;
    const bool is_near = sampling_ > 0 && comes_back_soon(key);
    if ((sampling_hash(key) & mask_) == 0) follow(key, is_near);
  }

  int64_t num_accesses() const { return num_accesses_; }
  /// The sampling now: one of 2^sampling() pages is followed.
  int sampling() const { return sampling_; }
  /// Accesses that an LRU cache of `capacity` ≥ 0 pages would have hit, of num_accesses(). Rises with the capacity.
  int64_t hits(int64_t capacity) const;
  /// Accesses by distance: [0] distance 0, [1] 1, [2] 2-3, [3] 4-7, …
  std::vector<int64_t> histogram() const;
  /// Accesses to pages that were not used before.
  int64_t num_first() const;

 private:
  static uint64_t sampling_hash(const Hash128& key) { return key.high ^ (key.low >> 29); }
  /// Was used within the last kNear accesses, as far as a small table remembers; if so, that is counted.
  bool comes_back_soon(const Hash128& key);
  void follow(const Hash128& key, bool is_near);
  void renumber();
  void halve_rate();
  /// Pages that came back soon: how many at which mean distance, by the accesses since.
  void for_each_near(const std::function<void(int64_t distance, int64_t accesses)>& visit) const;
  /// From accesses of followed pages to accesses of all that do not come back soon.
  int64_t scaled(int64_t followed) const;

  // A Fenwick tree over moments: 1 where a followed page was used last.
  void mark(size_t moment, int32_t change);
  int64_t marked_before(size_t moment) const;

  int sampling_;
  uint64_t mask_;
  size_t max_pages_;
  int64_t num_accesses_ = 0;
  int64_t followed_ = 0, first_ = 0;              // accesses that do not come back soon, in accesses of all pages
  std::unordered_map<Hash128, size_t> last_use_;  // moments
  std::vector<int32_t> marks_;
  size_t next_moment_ = 0;
  std::vector<int64_t> counts_;  // accesses by distance among followed pages, likewise

  static constexpr size_t kNear = 16384;
  struct Recent {
    Hash128 key;
    int64_t access = 0;  // 0: none
  };
  std::vector<Recent> recent_;
  std::vector<int64_t> near_;  // accesses by the accesses since
  int64_t num_near_ = 0, num_looked_ = 0;
};

}  // namespace lockstep
