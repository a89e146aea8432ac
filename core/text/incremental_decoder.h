// Detokenization while tokens arrive: the pieces, joined, are exactly Tokenizer::decode of all ids.
//
// A piece never ends inside a code point. Text is held back only while a later token could still change it: an
// unfinished UTF-8 sequence, and in SentencePiece vocabularies a run of byte tokens (`<0xE2>`), whose validity Hugging
// Face decides for the whole run. One decoder per sequence; not thread-safe.
#pragma once

#include "core/text/tokenizer.h"

#include <memory>
#include <string>

namespace lockstep {

class IncrementalDecoder {
 public:
  /// `tokenizer` must outlive the decoder.
  IncrementalDecoder(const Tokenizer& tokenizer, bool skip_special_tokens)
      : stream_(tokenizer.decode_stream(skip_special_tokens)) {}

  /// The text that `id` settles; may be empty.
  std::string push(TokenId id);
  /// The text held back. Call once, after the last push.
  std::string finish();

 private:
  std::unique_ptr<DecodeStream> stream_;
};

}  // namespace lockstep
