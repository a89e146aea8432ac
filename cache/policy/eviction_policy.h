// Which cached page is worth least: the only question an eviction policy answers.
//
// The prefix tree offers the leaves of a tier (pages that no sequence reads and no page of that tier continues), the
// policy scores them, the planner decides when and how many leave and where to. A policy is integer arithmetic on what
// it is told, in the order in which it is told: the same job evicts the same pages in every run.
#pragma once

#include "core/hash.h"
#include "core/ids.h"

#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>

namespace lockstep {

/// PageFacts::next_use of a page that nobody is known to read again.
inline constexpr uint64_t kNeverUsed = std::numeric_limits<uint64_t>::max();

/// What is known of a page. Times are the clock of whoever owns the policy: numbers of plans, or of requests in a
/// replay.
struct PageFacts {
  PageId page{};
  Hash128 key{};                   // of its content: the same when it left and came back
  int64_t depth = 0;               // pages before it in its chain
  uint64_t inserted = 0;           // when it entered the cache
  uint64_t last_use = 0;           // when its last reader left
  int64_t num_uses = 0;            // readers so far, its maker included
  uint64_t next_use = kNeverUsed;  // place in the known order of requests of the next one that reads it
  bool is_output = false;          // holds generated tokens
  bool is_compressed = false;      // in the cold format, or asked about as if it were
};

/// Not thread-safe.
class EvictionPolicy {
 public:
  virtual ~EvictionPolicy() = default;

  /// Worth of keeping the page: the lowest leaves first; of equal ones the deeper, then the higher page id. Asked when
  /// the page becomes an evictable leaf, and again when its facts change while it is one.
  virtual uint64_t score(const PageFacts& page) const = 0;

  // What happens in the cache, for policies that learn from it.
  /// The page entered the cache at page.inserted.
  virtual void inserted(const PageFacts&) {}
  /// One more sequence starts to read the page; the facts are those before it. `now`: the clock.
  virtual void used(const PageFacts&, [[maybe_unused]] uint64_t now) {}
  /// The page left its last tier.
  virtual void evicted(const PageFacts&, [[maybe_unused]] uint64_t now) {}
};

/// The policy of that name: lru, lfu, fifo, adaptive, compressed. `knows_future`: PageFacts::next_use is told for every
/// page that a known request reads. Throws ConfigError naming the accepted names.
std::unique_ptr<EvictionPolicy> make_eviction_policy(std::string_view name, bool knows_future);

}  // namespace lockstep
