// A tokenizer read from tokenizer.json. Encoding is a pipeline, one stage a header:
//   added tokens (added_tokens.h) → normalizer.h → pre_tokenizer.h → bpe_model.h → post_processor.h
// and decoding a chain of steps (decoder.h).
#pragma once

#include "core/text/added_tokens.h"
#include "core/text/bpe_model.h"
#include "core/text/decoder.h"
#include "core/text/normalizer.h"
#include "core/text/post_processor.h"
#include "core/text/pre_tokenizer.h"
#include "core/text/scratch_pool.h"
#include "core/text/tokenizer.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

class JsonTokenizer : public Tokenizer {
 public:
  /// Reads `directory`/tokenizer.json and, if present, tokenizer_config.json. Throws IoError, FormatError.
  static std::unique_ptr<JsonTokenizer> load(const std::filesystem::path& directory);

  std::vector<TokenId> encode(std::string_view utf8, bool add_special_tokens) const override;
  std::unique_ptr<DecodeStream> decode_stream(bool skip_special_tokens) const override;
  int64_t vocab_size() const override;
  std::optional<TokenId> token_to_id(std::string_view token) const override;
  std::optional<std::string> id_to_token(TokenId id) const override;
  bool is_special(TokenId id) const override;
  std::optional<TokenId> bos_token() const override { return bos_; }
  std::optional<TokenId> eos_token() const override { return eos_; }
  Hash128 fingerprint() const override { return fingerprint_; }

 private:
  explicit JsonTokenizer(const JsonObject& file);

  /// Ids of a piece without raw added tokens. `starts_input`: nothing stands before it.
  void encode_piece(std::string piece, bool starts_input, BpeScratch& scratch, std::vector<TokenId>& ids) const;
  /// Ids of a normalized piece without added tokens.
  void encode_words(std::string text, bool starts_input, BpeScratch& scratch, std::vector<TokenId>& ids) const;

  std::unique_ptr<Normalizer> normalizer_;       // may be null
  std::unique_ptr<PreTokenizer> pre_tokenizer_;  // may be null: the whole piece is one word
  BpeModel model_;
  AddedTokens added_;
  PostProcessor post_processor_;
  Decoder decoder_;
  std::optional<TokenId> bos_, eos_;
  Hash128 fingerprint_;
  mutable ScratchPool scratch_pool_;
};

}  // namespace lockstep
