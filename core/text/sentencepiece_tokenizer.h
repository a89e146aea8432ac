// A tokenizer read from tokenizer.model through libsentencepiece, with the conventions of Hugging Face's Llama
// tokenizer: control symbols and added tokens spelled in the text are recognised, each text between them is encoded by
// itself, BOS and EOS are added as tokenizer_config.json says (BOS unless it says no).
#pragma once

#include "core/text/added_tokens.h"
#include "core/text/decoder.h"
#include "core/text/tokenizer.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace lockstep {

struct TokenizerConfig;

class SentencePieceTokenizer : public Tokenizer {
 public:
  /// Reads `directory`/tokenizer.model and, if present, tokenizer_config.json. Throws IoError, FormatError.
  static std::unique_ptr<SentencePieceTokenizer> load(const std::filesystem::path& directory);
  ~SentencePieceTokenizer() override;

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
  explicit SentencePieceTokenizer(std::unique_ptr<sentencepiece::SentencePieceProcessor> processor);
  void apply(TokenizerConfig config, const std::string& place);

  std::unique_ptr<const sentencepiece::SentencePieceProcessor> processor_;
  AddedTokens added_;
  Decoder decoder_;
  std::optional<TokenId> bos_, eos_;
  bool add_bos_ = true, add_eos_ = false;
  Hash128 fingerprint_;
};

}  // namespace lockstep
