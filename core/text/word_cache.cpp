#include "core/text/word_cache.h"

#include <algorithm>
#include <cstring>
#include <functional>

namespace lockstep {

std::size_t WordCache::place_of(std::string_view word) { return std::hash<std::string_view>{}(word) % kNumEntries; }

bool WordCache::append(std::string_view word, std::vector<TokenId>& ids) const {
  if (word.size() > kMaxBytes) return false;
  const Entry& entry = entries_[place_of(word)];
  if (entry.num_bytes != word.size() || std::memcmp(entry.bytes, word.data(), word.size()) != 0) return false;
  ids.insert(ids.end(), entry.ids, entry.ids + entry.num_ids);
  return true;
}

void WordCache::store(std::string_view word, std::span<const TokenId> ids) {
  if (word.empty() || word.size() > kMaxBytes || ids.size() > kMaxIds) return;
  Entry& entry = entries_[place_of(word)];
  entry.num_bytes = static_cast<uint8_t>(word.size());
  entry.num_ids = static_cast<uint8_t>(ids.size());
  std::copy(word.begin(), word.end(), entry.bytes);
  std::copy(ids.begin(), ids.end(), entry.ids);
}

}  // namespace lockstep
