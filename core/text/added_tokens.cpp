#include "core/text/added_tokens.h"

#include "core/error.h"
#include "core/text/regex.h"
#include "core/text/utf8.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace lockstep {
namespace {

/// First byte of the code point that ends before `end`.
std::size_t previous_boundary(std::string_view text, std::size_t end) {
  do --end;
  while ((static_cast<uint8_t>(text[end]) & 0xC0) == 0x80);
  return end;
}

/// A letter, mark, number or joiner, as the regex crate's `\w`.
bool is_word_character(std::string_view text, std::size_t at) {
  static const Regex kWord("\\G[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{200C}\\x{200D}]", "built-in expression");
  return kWord.find(text, at).has_value();
}

bool touches_word(std::string_view text, std::size_t begin, std::size_t end) {
  return (begin > 0 && is_word_character(text, previous_boundary(text, begin))) ||
         (end < text.size() && is_word_character(text, end));
}

std::size_t skip_space_left(std::string_view text, std::size_t begin) {
  while (begin > 0) {
    const std::size_t previous = previous_boundary(text, begin);
    std::size_t at = previous;
    if (!is_white_space(next_code_point(text, at))) break;
    begin = previous;
  }
  return begin;
}

std::size_t skip_space_right(std::string_view text, std::size_t end) {
  for (std::size_t at = end; at < text.size() && is_white_space(next_code_point(text, at));) end = at;
  return end;
}

bool flag(const JsonObject& token, const char* key) {
  if (!token.has(key)) token.refuse(key, "true, false");
  return token.boolean(key, false);
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens, const Normalizer* normalizer) : tokens_(std::move(tokens)) {
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    AddedToken& token = tokens_[i];
    by_content_.emplace(token.content, i);
    by_id_.insert_or_assign(token.id, i);
    token.searched = token.content;
    if (token.normalized && normalizer) normalizer->apply(token.searched);
    if (!token.searched.empty()) (token.normalized ? normalized_ : raw_).insert(token.searched, i);
  }
}

AddedTokens AddedTokens::read(const JsonObject& tokenizer, const BpeModel& model, const Normalizer* normalizer) {
  std::vector<AddedToken> tokens;
  std::unordered_map<std::string, TokenId> ids;
  const auto size = static_cast<int32_t>(model.num_tokens());
  int32_t highest = -1;
  if (!tokenizer.has("added_tokens")) return {};
  for (const JsonObject& entry : tokenizer.objects("added_tokens")) {
    entry.allow_only({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
    AddedToken token;
    token.content = entry.text("content");
    if (token.content.empty()) continue;
    const auto known = ids.find(token.content);
    std::optional<TokenId> id = known != ids.end() ? std::optional(known->second) : model.find(token.content);
    if (!id) id = TokenId(highest >= size ? highest + 1 : size);
    LS_REQUIRE(FormatError, entry.integer("id", 0, INT32_MAX) == id->value(),
               "{} of {} is {}; Hugging Face tokenizers gives that token {}: ids follow the vocabulary in order",
               entry.place("id"), shown(token.content), entry.integer("id", 0, INT32_MAX), id->value());
    token.id = *id;
    highest = std::max(highest, id->value());
    token.special = flag(entry, "special");
    token.normalized = flag(entry, "normalized");
    token.lstrip = flag(entry, "lstrip");
    token.rstrip = flag(entry, "rstrip");
    token.single_word = flag(entry, "single_word");
    if (ids.emplace(token.content, *id).second) tokens.push_back(std::move(token));
  }
  // Special tokens come first: they win where two tokens normalize to the same text.
  std::stable_partition(tokens.begin(), tokens.end(), [](const AddedToken& token) { return token.special; });
  return AddedTokens(std::move(tokens), normalizer);
}

std::vector<TextPiece> AddedTokens::split(std::string_view text, bool normalized) const {
  const TokenTrie& trie = normalized ? normalized_ : raw_;
  std::vector<TextPiece> pieces;
  std::size_t done = 0;
  for (auto match = trie.find(text, 0); match; match = trie.find(text, match->end)) {
    const AddedToken& token = tokens_[match->value];
    std::size_t begin = match->begin, end = match->end;
    if (token.single_word && touches_word(text, begin, end)) continue;
    if (token.lstrip) begin = std::max(skip_space_left(text, begin), done);
    if (token.rstrip) end = skip_space_right(text, end);
    if (done < begin) pieces.push_back({done, begin, std::nullopt});
    pieces.push_back({begin, end, token.id});
    done = end;
  }
  if (done < text.size()) pieces.push_back({done, text.size(), std::nullopt});
  return pieces;
}

std::optional<TokenId> AddedTokens::find(std::string_view content) const {
  const auto found = by_content_.find(std::string(content));
  if (found == by_content_.end()) return std::nullopt;
  return tokens_[found->second].id;
}

const AddedToken* AddedTokens::find(TokenId id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &tokens_[found->second];
}

int64_t AddedTokens::highest_id() const {
  int64_t highest = -1;
  for (const AddedToken& token : tokens_) highest = std::max<int64_t>(highest, token.id.value());
  return highest;
}

}  // namespace lockstep
