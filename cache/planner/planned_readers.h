// The known future: which waiting sequences will read a page, by their places in the queue. Not thread-safe.
#pragma once

#include "cache/policy/eviction_policy.h"
#include "core/hash.h"

#include <cstdint>
#include <set>
#include <unordered_map>

namespace lockstep {

class PlannedReaders {
 public:
  /// True if the page's next use changed.
  bool add(const Hash128& key, uint64_t place) {
    std::set<uint64_t>& places = places_[key];
    return places.insert(place).first == places.begin();
  }
  /// True if the page's next use changed.
  bool remove(const Hash128& key, uint64_t place) {
    const auto at = places_.find(key);
    if (at == places_.end()) return false;
    const bool was_next = *at->second.begin() == place;
    at->second.erase(place);
    if (at->second.empty()) places_.erase(at);
    return was_next;
  }
  void clear() { places_.clear(); }

  /// The place of the first one that reads the page; kNeverUsed without one.
  uint64_t next_use(const Hash128& key) const {
    const auto at = places_.find(key);
    return at == places_.end() ? kNeverUsed : *at->second.begin();
  }

 private:
  std::unordered_map<Hash128, std::set<uint64_t>> places_;  // no empty set
};

}  // namespace lockstep
