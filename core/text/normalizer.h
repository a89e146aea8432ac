// The `normalizer` of a tokenizer file: rewrites text before it is cut into words.
// Accepted: NFC, NFD, NFKC, NFKD (utf8proc's Unicode tables), Prepend, Replace, Strip, Sequence, null.
// Thread-safety: const members may be called from any number of threads.
#pragma once

#include "core/checkpoint/json_reader.h"

#include <memory>
#include <string>

namespace lockstep {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  /// Rewrites `text`, valid UTF-8, in place.
  virtual void apply(std::string& text) const = 0;
};

/// Reads a component; throws FormatError naming its type and the accepted ones.
std::unique_ptr<Normalizer> read_normalizer(const JsonObject& component);

}  // namespace lockstep
