// The `added_tokens` of a tokenizer file: tokens found in the text as a whole, before anything is cut or merged.
//
// Tokens with `normalized` false are looked for in the raw text, the others in each remaining piece after the
// normalizer rewrote both. Among tokens that start at one place the longest wins; matches do not overlap.
// Thread-safety: const members may be called from any number of threads.
#pragma once

#include "core/checkpoint/json_reader.h"
#include "core/ids.h"
#include "core/text/bpe_model.h"
#include "core/text/normalizer.h"
#include "core/text/token_trie.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace lockstep {

struct AddedToken {
  std::string content;
  std::string searched;  // what is looked for and what decoding spells: the content, normalized if `normalized`
  TokenId id;
  bool special = false;      // left out by decode(skip_special_tokens)
  bool normalized = false;   // matched against normalized text
  bool lstrip = false;       // swallows white space on its left
  bool rstrip = false;       // swallows white space on its right
  bool single_word = false;  // only where no word character touches it
};

/// A range of a text: an added token, or (no id) text between such tokens.
struct TextPiece {
  std::size_t begin = 0, end = 0;
  std::optional<TokenId> token;
};

class AddedTokens {
 public:
  AddedTokens() = default;
  /// For tokens that stand in no file's list (control symbols of SentencePiece).
  explicit AddedTokens(std::vector<AddedToken> tokens, const Normalizer* normalizer = nullptr);
  /// Reads the list. Ids are Hugging Face's: the vocabulary's own, or the next free one behind it.
  /// Throws FormatError where the file says another id.
  static AddedTokens read(const JsonObject& tokenizer, const BpeModel& model, const Normalizer* normalizer);

  /// Cuts `text` at tokens with `normalized` equal to `normalized`. The pieces come in order; no piece of text is
  /// empty.
  std::vector<TextPiece> split(std::string_view text, bool normalized) const;
  bool any_normalized() const { return !normalized_.empty(); }

  std::optional<TokenId> find(std::string_view content) const;
  const AddedToken* find(TokenId id) const;
  /// Highest id, -1 if there is no token.
  int64_t highest_id() const;

 private:
  std::vector<AddedToken> tokens_;
  std::unordered_map<std::string, std::size_t> by_content_;  // index in tokens_
  std::unordered_map<TokenId, std::size_t> by_id_;
  TokenTrie raw_, normalized_;  // values are indices in tokens_
};

}  // namespace lockstep
