// The `decoder` of a tokenizer file: how the spellings of tokens become text again.
//
// A decoder is a chain of steps, each turning a sequence of tokens into another; the text is the last sequence, joined.
// Accepted: ByteFallback, ByteLevel, Fuse, Metaspace, Replace, Sequence, Strip, null. Every step works on a stream: it
// passes on what later tokens can no longer change. ByteLevel and Fuse make one token of all that follows, so only
// Strip may stand behind them. Thread-safety: a Decoder may be read from any number of threads; a chain belongs to one
// stream.
#pragma once

#include "core/checkpoint/json_reader.h"
#include "core/text/decoder_steps.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

class Decoder {
 public:
  using MakeStep = std::function<std::unique_ptr<DecoderStep>()>;

  /// Null `component` stands for an absent decoder: tokens joined by spaces.
  /// Throws FormatError naming the component's type and the accepted ones.
  static Decoder read(const JsonObject* component);
  /// The decoder that belongs to SentencePiece vocabularies. `strip_space`: drop the one leading space that encoding
  /// adds.
  static Decoder sentencepiece(bool strip_space);

  /// Fresh steps for one stream.
  std::vector<std::unique_ptr<DecoderStep>> make_steps() const;

 private:
  void add(const JsonObject& component);

  std::vector<MakeStep> makers_;
  bool fused_ = false;  // a step behind here sees one token, in fragments
};

}  // namespace lockstep
