#include "core/text/merge_table.h"

#include <algorithm>
#include <bit>

namespace lockstep {
namespace {

uint64_t pair_of(int32_t left, int32_t right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

}  // namespace

MergeTable::MergeTable(std::size_t num_rules)
    : slots_(std::bit_ceil(std::max<std::size_t>(2 * num_rules, 2))), shift_(64 - std::countr_zero(slots_.size())) {}

std::size_t MergeTable::start_of(uint64_t pair) const {
  return static_cast<std::size_t>(pair * 0x9E3779B97F4A7C15 >> shift_);  // Fibonacci hashing
}

void MergeTable::insert(int32_t left, int32_t right, MergeRule rule) {
  const uint64_t pair = pair_of(left, right);
  std::size_t at = start_of(pair);
  while (slots_[at].pair != kEmpty && slots_[at].pair != pair) at = (at + 1) & (slots_.size() - 1);
  slots_[at] = {pair, rule};
}

const MergeRule* MergeTable::find(int32_t left, int32_t right) const {
  const uint64_t pair = pair_of(left, right);
  for (std::size_t at = start_of(pair);; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].pair == pair) return &slots_[at].rule;
    if (slots_[at].pair == kEmpty) return nullptr;
  }
}

}  // namespace lockstep
