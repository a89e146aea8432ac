#include "launcher/logit_gather.h"

#include "dist/sharding.h"

#include <cstring>

namespace lockstep {

std::span<float> LogitGather::gather(std::span<const float> shard, int64_t num_rows) {
  const int32_t tp = group_.size();
  if (tp == 1) {
    rows_.assign(shard.begin(), shard.end());
    return rows_;
  }
  std::vector<int64_t> sizes;
  for (int32_t rank = 0; rank < tp; ++rank) {
    sizes.push_back(num_rows * even_shard(vocab_size_, tp, Rank(rank)).size() * static_cast<int64_t>(sizeof(float)));
  }
  const bool is_leader = group_.rank() == Rank(0);
  by_rank_.resize(is_leader ? static_cast<size_t>(num_rows * vocab_size_) : 0);
  group_.gather(std::as_bytes(shard), sizes, std::as_writable_bytes(std::span(by_rank_)), Rank(0));
  rows_.resize(by_rank_.size());
  if (!is_leader) return {};
  const float* from = by_rank_.data();
  for (int32_t rank = 0; rank < tp; ++rank) {
    const Range part = even_shard(vocab_size_, tp, Rank(rank));
    for (int64_t row = 0; row < num_rows; ++row, from += part.size()) {
      std::memcpy(&rows_[static_cast<size_t>(row * vocab_size_ + part.begin)], from,
                  static_cast<size_t>(part.size()) * sizeof(float));
    }
  }
  return rows_;
}

}  // namespace lockstep
