// The text that a token adds in the middle of a text: what log-probabilities are listed by.
#pragma once

#include "core/text/tokenizer.h"

#include <string>
#include <unordered_map>

namespace lockstep {

/// Remembers what it has looked up. Not thread-safe. The tokenizer outlives it.
class TokenText {
 public:
  explicit TokenText(const Tokenizer& tokenizer);
  /// Valid UTF-8: bytes that are no whole character alone show as U+FFFD. Special tokens show as they are spelled.
  const std::string& of(TokenId token);

 private:
  const Tokenizer& tokenizer_;
  std::vector<TokenId> anchor_;  // stands before the token, which so keeps the space that it begins with
  std::string anchor_text_;
  std::unordered_map<TokenId, std::string> known_;
};

/// Number of code points of valid UTF-8.
int64_t num_code_points(std::string_view utf8);

}  // namespace lockstep
