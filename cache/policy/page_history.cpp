#include "cache/policy/page_history.h"

#include <algorithm>

namespace lockstep {

PageHistory::Entry& PageHistory::enter(const Hash128& key) {
  const auto [at, is_new] = index_.try_emplace(key, 0);
  if (is_new) {
    if (free_.empty()) {
      free_.push_back(static_cast<uint32_t>(entries_.size()));
      entries_.emplace_back();
    }
    at->second = free_.back();
    free_.pop_back();
    entries_[at->second] = Entry{.key = key, .is_used = true};
  }
  Entry& entry = entries_[at->second];
  if (!entry.is_cached) {
    if (!is_new) --num_ghosts_;
    entry.is_cached = true;
    most_cached_ = std::max(most_cached_, ++num_cached_);
  }
  return entry;
}

PageHistory::Entry* PageHistory::find(const Hash128& key) {
  const auto at = index_.find(key);
  return at == index_.end() ? nullptr : &entries_[at->second];
}

const PageHistory::Entry* PageHistory::find(const Hash128& key) const {
  const auto at = index_.find(key);
  return at == index_.end() ? nullptr : &entries_[at->second];
}

void PageHistory::leave(Entry& entry, const std::function<void(const Entry&)>& forget) {
  entry.is_cached = false;
  entry.left = ++num_left_;
  --num_cached_;
  ++num_ghosts_;
  ghosts_.push_back({index_.at(entry.key), entry.left});
  const int64_t most = std::min(kMaxGhosts, kGhostsPerPage * most_cached_);
  // Those that came back leave records behind, which are bounded too.
  while (num_ghosts_ > most || static_cast<int64_t>(ghosts_.size()) > 2 * most) drop_oldest(forget);
}

void PageHistory::drop_oldest(const std::function<void(const Entry&)>& forget) {
  const Ghost ghost = ghosts_.front();
  ghosts_.pop_front();
  Entry& entry = entries_[ghost.index];
  if (!entry.is_used || entry.is_cached || entry.left != ghost.left) return;
  forget(entry);
  index_.erase(entry.key);
  entry = Entry{};
  free_.push_back(ghost.index);
  --num_ghosts_;
}

}  // namespace lockstep
