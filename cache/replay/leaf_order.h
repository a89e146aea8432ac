// The evictable leaves of a replayed cache, the one that is worth least first: a binary heap that knows where each
// block stands, in arrays as large as the trace has blocks. Not thread-safe.
#pragma once

#include "cache/replay/request_trace.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lockstep {

class LeafOrder {
 public:
  explicit LeafOrder(int64_t num_blocks) : place_(static_cast<size_t>(num_blocks), kNowhere) {}

  struct Leaf {
    uint64_t score = 0;
    int64_t depth = 0;
    int64_t page = 0;
    BlockIndex block = 0;
  };

  bool empty() const { return heap_.empty(); }
  bool contains(BlockIndex block) const { return place_[block] != kNowhere; }
  /// The block must not be in the order. O(log n).
  void add(const Leaf& leaf);
  /// Does nothing where the block is not in the order. O(log n).
  void remove(BlockIndex block);
  /// Lowest score, then the deeper, then the higher page. There must be one. O(log n).
  BlockIndex take_first();

 private:
  static constexpr uint32_t kNowhere = 0xffffffffU;

  static bool before(const Leaf& a, const Leaf& b) {
    if (a.score != b.score) return a.score < b.score;
    if (a.depth != b.depth) return a.depth > b.depth;
    return a.page > b.page;
  }
  void put(size_t at, const Leaf& leaf) {
    heap_[at] = leaf;
    place_[leaf.block] = static_cast<uint32_t>(at);
  }
  void sift_up(size_t at, const Leaf& leaf);
  void sift_down(size_t at, const Leaf& leaf);

  std::vector<Leaf> heap_;
  std::vector<uint32_t> place_;
};

}  // namespace lockstep
