// `adaptive` where the requests to come are not known: a page is kept as long as pages of its class are worth a place.
//
// Classes: readers so far × depth × prompt or output. KeepTimes learns from every reuse, those of pages that left among
// them (ghosts), how long a page of a class should wait for its next reader. The score is the clock at which that time
// is over, so scores of different times compare, and pages of classes that are not read again (a scan) leave first
// whatever their age. Before anything is learned the order is lru's. Integer arithmetic; a function of the calls.
#pragma once

#include "cache/policy/eviction_policy.h"
#include "cache/policy/keep_times.h"
#include "cache/policy/page_history.h"

namespace lockstep {

/// What bringing a page back costs, relative to other pages: base + per_depth × pages before it, at most
/// KeepTimes::kMaxCost. The default counts every hit alike.
struct RestoreCost {
  int64_t base = 1;
  int64_t per_depth = 0;
};

class AdaptivePolicy : public EvictionPolicy {
 public:
  explicit AdaptivePolicy(const RestoreCost& cost = {});

  /// last_use + the keep time of the page's class; at most kNeverUsed.
  uint64_t score(const PageFacts& page) const override;
  void inserted(const PageFacts& page) override;
  void used(const PageFacts& page, uint64_t now) override;
  void evicted(const PageFacts& page, uint64_t now) override;

  /// For tests and reports.
  const PageHistory& history() const { return history_; }
  const KeepTimes& keep_times() const { return keep_times_; }
  static size_t class_of(int64_t num_uses, int64_t depth, bool is_output);

 private:
  void wait_from(PageHistory::Entry& entry, const PageFacts& page, uint64_t now);
  void correct_target();
  void learn();

  PageHistory history_;
  KeepTimes keep_times_;
  int64_t capacity_ = 0;                     // pages, as seen: how many were cached when one had to leave
  int64_t target_ = 1024;                    // pages that keep times shall fill, in 1/1024 of capacity_
  int64_t num_evicted_ = 0, num_early_ = 0;  // since the target was corrected; early: before their time was over
  uint64_t now_ = 0;
  uint64_t counted_to_ = 0;  // the clock that elapsed_ is counted to
  uint64_t elapsed_ = 0;     // decayed with the counts
  int64_t events_to_learn_;
  size_t first_sample_ = 0;
};

}  // namespace lockstep
