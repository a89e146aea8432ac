// Ids of the words met lately: a direct-mapped cache of fixed size, one cache line a word.
// Words that are too long or have too many ids are not kept; two words that meet in one place replace each other.
// Not thread-safe: each encoding thread takes its own (core/text/bpe_model.h, BpeScratch).
#pragma once

#include "core/ids.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace lockstep {

class WordCache {
 public:
  WordCache() : entries_(kNumEntries) {}

  /// Appends the ids of `word` if they are known.
  bool append(std::string_view word, std::vector<TokenId>& ids) const;
  void store(std::string_view word, std::span<const TokenId> ids);

 private:
  static constexpr std::size_t kNumEntries = std::size_t{1}
                                             << 15;          // 2 MiB: the working set of mixed prose, inside L2/L3
  static constexpr std::size_t kMaxBytes = 30, kMaxIds = 8;  // fill the 64-byte line

  struct alignas(64) Entry {
    uint8_t num_bytes = 0;  // 0: free (words are not empty)
    uint8_t num_ids = 0;
    char bytes[kMaxBytes];
    TokenId ids[kMaxIds];
  };
  static_assert(sizeof(Entry) == 64);

  static std::size_t place_of(std::string_view word);

  std::vector<Entry> entries_;
};

}  // namespace lockstep
