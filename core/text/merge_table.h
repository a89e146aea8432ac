// Which pairs of tokens merge, into what, and in what order: the merge list of a BPE model as a hash table.
// Built once, then read by any number of threads. Open addressing at half load: a look-up touches one or two cache
// lines, and it is the inner loop of tokenization.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lockstep {

struct MergeRule {
  uint32_t rank = 0;  // place in the list; lower merges first
  int32_t result = -1;
};

class MergeTable {
 public:
  explicit MergeTable(std::size_t num_rules);
  /// A pair given twice keeps its last rule, as in Hugging Face's map.
  void insert(int32_t left, int32_t right, MergeRule rule);
  /// Null if the pair does not merge.
  const MergeRule* find(int32_t left, int32_t right) const;

 private:
  struct Slot {
    uint64_t pair = kEmpty;
    MergeRule rule;
  };
  static constexpr uint64_t kEmpty = ~uint64_t{0};  // ids are not negative, so no pair equals it

  std::size_t start_of(uint64_t pair) const;

  std::vector<Slot> slots_;
  int shift_;  // 64 - log2(slots)
};

}  // namespace lockstep
