#include "launcher/batch/token_text.h"

#include <algorithm>

namespace lockstep {

TokenText::TokenText(const Tokenizer& tokenizer)
    : tokenizer_(tokenizer),
      anchor_(tokenizer.encode("a", /*add_special_tokens=*/false)),
      anchor_text_(tokenizer.decode(anchor_, /*skip_special_tokens=*/false)) {}

const std::string& TokenText::of(TokenId token) {
  const auto [found, is_new] = known_.try_emplace(token);
  if (!is_new) return found->second;
  std::vector<TokenId> ids = anchor_;
  ids.push_back(token);
  found->second = tokenizer_.decode(ids, /*skip_special_tokens=*/false).substr(anchor_text_.size());
  return found->second;
}

int64_t num_code_points(std::string_view utf8) {
  return std::count_if(utf8.begin(), utf8.end(),
                       [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; });
}

}  // namespace lockstep
