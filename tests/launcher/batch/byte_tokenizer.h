// A tokenizer whose tokens are bytes, for tests that need to know what comes out.
#pragma once

#include "core/text/tokenizer.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

/// Tokens are bytes; 0 is an end token.
class ByteTokenizer final : public Tokenizer {
 public:
  class Bytes final : public DecodeStream {
   public:
    void push(TokenId id, std::string& text) override { text += static_cast<char>(id.value()); }
    void finish(std::string&) override {}
  };
  std::vector<TokenId> encode(std::string_view text, bool) const override {
    std::vector<TokenId> ids;
    for (const char byte : text) ids.emplace_back(static_cast<unsigned char>(byte));
    return ids;
  }
  std::unique_ptr<DecodeStream> decode_stream(bool) const override { return std::make_unique<Bytes>(); }
  int64_t vocab_size() const override { return 256; }
  std::optional<TokenId> token_to_id(std::string_view) const override { return std::nullopt; }
  std::optional<std::string> id_to_token(TokenId) const override { return std::nullopt; }
  bool is_special(TokenId id) const override { return id.value() == 0; }
  std::optional<TokenId> bos_token() const override { return std::nullopt; }
  std::optional<TokenId> eos_token() const override { return TokenId(0); }
  Hash128 fingerprint() const override { return {}; }
};

}  // namespace lockstep
