// Text to token ids and back, as Hugging Face `tokenizers` defines it: the ids are the same, token for token.
//
// A model directory holds tokenizer.json (byte-level or SentencePiece-style BPE; see docs/tokenizers.md for the
// accepted components) or, without it, tokenizer.model (SentencePiece). tokenizer_config.json, if present, names the
// BOS and EOS tokens. The ids feed the embedding (kernels/embedding.h); text leaves through
// core/text/incremental_decoder.h. Thread-safety: const members may be called from any number of threads.
#pragma once

#include "core/hash.h"
#include "core/ids.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

/// Turns the tokens of one text, pushed in order, into pieces of UTF-8. See core/text/incremental_decoder.h.
class DecodeStream {
 public:
  virtual ~DecodeStream() = default;
  /// Appends to `text` what `id` settles: whole code points only. Ids outside the vocabulary add nothing.
  virtual void push(TokenId id, std::string& text) = 0;
  /// Appends what was held back; an unfinished code point becomes U+FFFD. Nothing may be pushed afterwards.
  virtual void finish(std::string& text) = 0;
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// Ids of `utf8`. Special and other added tokens spelled out in the text are recognised.
  /// `add_special_tokens` runs the file's post-processor template (BOS, EOS).
  /// Invalid UTF-8 is read as U+FFFD, one per maximal subpart (Unicode 3.9, as Python's and Rust's lossy decoders do).
  virtual std::vector<TokenId> encode(std::string_view utf8, bool add_special_tokens) const = 0;

  /// Text of `ids`, valid UTF-8 always; ids outside the vocabulary add nothing.
  std::string decode(std::span<const TokenId> ids, bool skip_special_tokens) const;
  /// Same text in pieces. The stream refers to this tokenizer, which must outlive it.
  virtual std::unique_ptr<DecodeStream> decode_stream(bool skip_special_tokens) const = 0;

  /// Highest id + 1, added tokens included. A model may have more embedding rows than that (padding).
  virtual int64_t vocab_size() const = 0;
  /// Id of a token by its exact spelling in the file (byte-level tokens in the byte-level alphabet).
  virtual std::optional<TokenId> token_to_id(std::string_view token) const = 0;
  /// Spelling of a token in the file; nullopt outside the vocabulary.
  virtual std::optional<std::string> id_to_token(TokenId id) const = 0;
  /// True for tokens that decode(…, skip_special_tokens = true) leaves out.
  virtual bool is_special(TokenId id) const = 0;
  /// `bos_token`, `eos_token` of tokenizer_config.json (for tokenizer.model: of the file itself when unnamed there).
  /// A model's full list of end tokens is ModelConfig::eos_tokens.
  virtual std::optional<TokenId> bos_token() const = 0;
  virtual std::optional<TokenId> eos_token() const = 0;
  /// Hash of the bytes of every file the tokenizer was read from.
  virtual Hash128 fingerprint() const = 0;
};

/// Reads tokenizer.json, or else tokenizer.model, of `model_directory`.
/// Throws IoError if neither is readable; FormatError naming file, component and accepted ones for anything unknown: an
/// unsupported component is never skipped.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& model_directory);

}  // namespace lockstep
