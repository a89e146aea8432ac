// The `pre_tokenizer` of a tokenizer file: cuts text into words, the units that merges never cross.
//
// Accepted: ByteLevel, Digits, Metaspace, Punctuation, Sequence, Split, Whitespace, WhitespaceSplit, null.
// A step cuts every word it is given further (core/text/word_splitter.h) or rewrites it (core/text/byte_level.h).
// Thread-safety: const members may be called from any number of threads.
#pragma once

#include "core/checkpoint/json_reader.h"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace lockstep {

/// A non-empty byte range of Words::text.
struct WordRange {
  std::size_t begin = 0, end = 0;
  bool starts_input = false;  // true if it begins where the whole input begins
};

/// A text and its words, in order; bytes between words are dropped.
struct Words {
  std::string text;
  std::vector<WordRange> ranges;
};

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual void apply(Words& words) const = 0;
};

/// Reads a component; throws FormatError naming its type and the accepted ones.
std::unique_ptr<PreTokenizer> read_pre_tokenizer(const JsonObject& component);

}  // namespace lockstep
