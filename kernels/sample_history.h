// Which tokens one sequence has seen, for the penalties of sampling: the distinct ones, with how often each was
// generated. Kept up token by token, so that a step's work follows the distinct tokens, not the vocabulary.
#pragma once

#include "core/ids.h"

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace lockstep {

/// Not thread-safe.
class SampleHistory {
 public:
  struct Entry {
    TokenId token;
    int32_t num_generated = 0;  // 0: in the prompt alone
  };

  SampleHistory() = default;
  explicit SampleHistory(std::span<const TokenId> prompt);
  void add_generated(TokenId token);

  /// Each token once, in the order of first appearance.
  std::span<const Entry> entries() const { return entries_; }
  int64_t num_generated() const { return num_generated_; }

 private:
  Entry& entry_of(TokenId token);

  std::vector<Entry> entries_;
  std::unordered_map<TokenId, size_t> index_;  // into entries_
  int64_t num_generated_ = 0;
};

}  // namespace lockstep
