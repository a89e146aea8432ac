#include "core/text/token_trie.h"

namespace lockstep {

uint32_t TokenTrie::child(uint32_t node, uint8_t byte) const {
  uint32_t at = nodes_[node].first_child;
  while (at != kNone && nodes_[at].byte != byte) at = nodes_[at].next_sibling;
  return at;
}

void TokenTrie::insert(std::string_view text, std::size_t value) {
  starts_[static_cast<uint8_t>(text[0])] = true;
  uint32_t node = 0;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    uint32_t next = child(node, byte);
    if (next == kNone) {
      next = static_cast<uint32_t>(nodes_.size());
      nodes_.push_back({byte, kNone, nodes_[node].first_child, kNoValue});
      nodes_[node].first_child = next;
    }
    node = next;
  }
  if (nodes_[node].value == kNoValue) nodes_[node].value = value;
}

std::optional<TokenTrie::Match> TokenTrie::find(std::string_view text, std::size_t from) const {
  for (std::size_t begin = from; begin < text.size(); ++begin) {
    if (!starts_[static_cast<uint8_t>(text[begin])]) continue;
    std::optional<Match> longest;
    uint32_t node = 0;
    for (std::size_t end = begin; end < text.size();) {
      node = child(node, static_cast<uint8_t>(text[end++]));
      if (node == kNone) break;
      if (nodes_[node].value != kNoValue) longest = Match{begin, end, nodes_[node].value};
    }
    if (longest) return longest;
  }
  return std::nullopt;
}

}  // namespace lockstep
