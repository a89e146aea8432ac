// The `post_processor` of a tokenizer file: the tokens put around a text (BOS, EOS).
// Accepted: ByteLevel (moves offsets only: nothing to do here), Sequence, TemplateProcessing, null.
// Thread-safety: const members may be called from any number of threads.
#pragma once

#include "core/checkpoint/json_reader.h"
#include "core/ids.h"

#include <vector>

namespace lockstep {

class PostProcessor {
 public:
  /// Adds nothing.
  PostProcessor() = default;
  /// Reads a component; throws FormatError naming its type and the accepted ones.
  static PostProcessor read(const JsonObject& component);

  std::vector<TokenId> apply(std::vector<TokenId> ids) const;

 private:
  /// A part of a template: the text's ids, or ids of its own.
  struct Part {
    bool is_text = false;
    std::vector<TokenId> ids;
  };
  using Template = std::vector<Part>;

  void add(const JsonObject& component);
  static Template read_template(const JsonObject& component);

  std::vector<Template> templates_;  // each wraps the result of the one before
};

}  // namespace lockstep
