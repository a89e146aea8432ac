// `compressed`: pages are made smaller before any leaves. The order is that of `adaptive`, pages that are not yet
// compressed first: the planner shrinks the page that is worth least, and evicts only when that one is compressed.
#pragma once

#include "cache/policy/eviction_policy.h"

#include <memory>

namespace lockstep {

class CompressedPolicy : public EvictionPolicy {
 public:
  /// `order`: the order among pages of the same state. Not nullptr.
  explicit CompressedPolicy(std::unique_ptr<EvictionPolicy> order);

  /// The order's score, and 2^63 more for a compressed page. Scores of the order from 2^63 on count as one.
  uint64_t score(const PageFacts& page) const override;
  void inserted(const PageFacts& page) override { order_->inserted(page); }
  void used(const PageFacts& page, uint64_t now) override { order_->used(page, now); }
  void evicted(const PageFacts& page, uint64_t now) override { order_->evicted(page, now); }

 private:
  std::unique_ptr<EvictionPolicy> order_;
};

}  // namespace lockstep
