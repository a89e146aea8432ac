// A sequence of 64-bit numbers that grows without copying what it has: at no time does it hold more than a block beyond
// its elements. For one number a row at tens of millions of rows, where a vector's doubling would cost three times
// that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace lockstep {

template <class Number>
class BlockVector {
 public:
  static_assert(sizeof(Number) == 8);

  void push_back(Number value) {
    if (size_ % kBlockElements == 0) blocks_.push_back(std::make_unique_for_overwrite<Number[]>(kBlockElements));
    blocks_.back()[size_++ % kBlockElements] = value;
  }
  Number operator[](size_t i) const { return blocks_[i / kBlockElements][i % kBlockElements]; }
  size_t size() const { return size_; }
  int64_t memory_bytes() const {
    return static_cast<int64_t>(blocks_.size() * kBlockElements * sizeof(Number) + blocks_.capacity() * sizeof(void*));
  }

 private:
  static constexpr size_t kBlockElements = 8192;  // 64 KiB: little for a small file, few blocks for a large one
  std::vector<std::unique_ptr<Number[]>> blocks_;
  size_t size_ = 0;
};

}  // namespace lockstep
