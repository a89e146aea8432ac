#include "cache/replay/leaf_order.h"

#include "core/error.h"

namespace lockstep {

void LeafOrder::add(const Leaf& leaf) {
  LS_CHECK(!contains(leaf.block), "block {} is a leaf already", leaf.block);
  heap_.push_back(leaf);
  sift_up(heap_.size() - 1, leaf);
}

void LeafOrder::remove(BlockIndex block) {
  if (!contains(block)) return;
  const size_t at = place_[block];
  place_[block] = kNowhere;
  const Leaf last = heap_.back();
  heap_.pop_back();
  if (last.block == block) return;
  if (at > 0 && before(last, heap_[(at - 1) / 2])) {
    sift_up(at, last);
  } else {
    sift_down(at, last);
  }
}

BlockIndex LeafOrder::take_first() {
  LS_CHECK(!heap_.empty(), "no leaf to evict");
  const BlockIndex first = heap_.front().block;
  remove(first);
  return first;
}

void LeafOrder::sift_up(size_t at, const Leaf& leaf) {
  while (at > 0 && before(leaf, heap_[(at - 1) / 2])) {
    put(at, heap_[(at - 1) / 2]);
    at = (at - 1) / 2;
  }
  put(at, leaf);
}

void LeafOrder::sift_down(size_t at, const Leaf& leaf) {
  for (size_t child = 2 * at + 1; child < heap_.size(); child = 2 * at + 1) {
    if (child + 1 < heap_.size() && before(heap_[child + 1], heap_[child])) ++child;
    if (!before(heap_[child], leaf)) break;
    put(at, heap_[child]);
    at = child;
  }
  put(at, leaf);
}

}  // namespace lockstep
