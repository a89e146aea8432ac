#include "cache/replay/replay.h"

#include "cache/replay/leaf_order.h"
#include "core/error.h"

#include <algorithm>
#include <vector>

namespace lockstep {
namespace {

class ReplayedCache {
 public:
  ReplayedCache(const RequestTrace& trace, int64_t capacity, EvictionPolicy& policy, std::span<const uint32_t> next)
      : trace_(trace),
        capacity_(capacity),
        policy_(policy),
        next_(next),
        blocks_(static_cast<size_t>(trace.num_blocks())),
        leaves_(trace.num_blocks()) {}

  void run(int64_t r) {
    const auto whole = trace_.request(r);
    const auto chain = whole.first(std::min(whole.size(), static_cast<size_t>(capacity_)));
    const auto now = static_cast<uint64_t>(r);
    size_t num_hits = 0;
    while (num_hits < chain.size() && blocks_[chain[num_hits]].is_cached) ++num_hits;
    counts_.accesses += static_cast<int64_t>(whole.size());
    counts_.hits += static_cast<int64_t>(num_hits);

    for (size_t i = 0; i < chain.size(); ++i) blocks_[chain[i]].holder = r;
    // Of a chain's cached blocks only the last can be a leaf.
    if (num_hits > 0) leaves_.remove(chain[num_hits - 1]);
    for (size_t i = 0; i < num_hits; ++i) read(chain[i], now, next_use(r, i));
    for (size_t i = num_hits; i < chain.size(); ++i) {
      if (num_cached_ == capacity_) evict(now);
      enter(chain[i], now, next_use(r, i));
    }
    if (!chain.empty() && blocks_[chain.back()].num_children == 0) offer(chain.back());
  }

  const ReplayCounts& counts() const { return counts_; }

 private:
  struct Block {
    PageFacts facts;
    int64_t num_children = 0;  // cached ones
    int64_t holder = -1;       // the last request that asked for it
    bool is_cached = false;
    bool was_cached = false;
  };

  uint64_t next_use(int64_t r, size_t i) const {
    if (next_.empty()) return kNeverUsed;
    const uint32_t next = next_[trace_.first_access(r) + i];
    return next == kNoRequest ? kNeverUsed : next;
  }

  void read(BlockIndex b, uint64_t now, uint64_t next_use) {
    PageFacts& facts = blocks_[b].facts;
    policy_.used(facts, now);
    facts.last_use = now;
    facts.num_uses += 1;
    facts.next_use = next_use;
  }

  void enter(BlockIndex b, uint64_t now, uint64_t next_use) {
    Block& block = blocks_[b];
    counts_.returns += block.was_cached ? 1 : 0;
    block.is_cached = block.was_cached = true;
    block.facts = {.page = PageId(next_page_++),
                   .key = RequestTrace::key(b),
                   .depth = trace_.depth(b),
                   .inserted = now,
                   .last_use = now,
                   .num_uses = 1,
                   .next_use = next_use};
    if (trace_.parent(b) != kNoBlock) blocks_[trace_.parent(b)].num_children += 1;
    ++num_cached_;
    policy_.inserted(block.facts);
  }

  void evict(uint64_t now) {
    const BlockIndex b = leaves_.take_first();
    blocks_[b].is_cached = false;
    --num_cached_;
    ++counts_.evictions;
    policy_.evicted(blocks_[b].facts, now);
    const BlockIndex parent = trace_.parent(b);
    if (parent == kNoBlock) return;
    Block& above = blocks_[parent];
    above.num_children -= 1;
    // What the running request holds is offered when it ends.
    if (above.num_children == 0 && above.holder != static_cast<int64_t>(now)) offer(parent);
  }

  void offer(BlockIndex b) {
    const PageFacts& facts = blocks_[b].facts;
    leaves_.add({.score = policy_.score(facts), .depth = facts.depth, .page = facts.page.value(), .block = b});
  }

  const RequestTrace& trace_;
  int64_t capacity_;
  EvictionPolicy& policy_;
  std::span<const uint32_t> next_;
  std::vector<Block> blocks_;
  LeafOrder leaves_;
  ReplayCounts counts_;
  int64_t num_cached_ = 0;
  int64_t next_page_ = 0;
};

}  // namespace

ReplayCounts replay(const RequestTrace& trace, int64_t capacity, EvictionPolicy& policy, std::span<const uint32_t> next,
                    const std::function<void(int64_t)>& progress) {
  LS_CHECK(capacity >= 1, "a replay with {} places", capacity);
  LS_CHECK(next.empty() || static_cast<int64_t>(next.size()) == trace.num_accesses(), "{} next uses for {} accesses",
           next.size(), trace.num_accesses());
  constexpr int64_t kRequestsPerReport = 4096;
  ReplayedCache cache(trace, capacity, policy, next);
  for (int64_t r = 0; r < trace.num_requests(); ++r) {
    cache.run(r);
    if (progress && (r + 1) % kRequestsPerReport == 0) progress(r + 1);
  }
  return cache.counts();
}

}  // namespace lockstep
