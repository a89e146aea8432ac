// `{"String": …}` or `{"Regex": …}` of a tokenizer file, and the cutting of texts by it.
// Thread-safety: const members may be called from any number of threads.
#pragma once

#include "core/checkpoint/json_reader.h"
#include "core/text/regex.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

/// A byte range of a text; `matched` tells a match from what lies between matches.
struct Cut {
  std::size_t begin = 0, end = 0;
  bool matched = false;
};

class Pattern {
 public:
  /// A literal, not empty.
  explicit Pattern(std::string literal) : literal_(std::move(literal)) {}
  explicit Pattern(Regex regex) : regex_(std::move(regex)) {}
  /// Reads the key `pattern` of `component`. Throws FormatError.
  static Pattern read(const JsonObject& component);

  /// Replaces `cuts` by ranges that cover `text` in order: each match, and each non-empty gap. Matches do not overlap;
  /// an empty match that touches the match before it is skipped.
  void cut(std::string_view text, std::vector<Cut>& cuts) const;
  /// `text` with every match replaced by `content`, appended to `out`.
  void replace(std::string_view text, std::string_view content, std::string& out) const;

 private:
  std::optional<RegexMatch> find(std::string_view text, std::size_t from) const;
  /// Calls `visit` with every match.
  template <class Visit>
  void each_match(std::string_view text, const Visit& visit) const;

  std::string literal_;
  std::optional<Regex> regex_;
};

}  // namespace lockstep
