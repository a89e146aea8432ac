// Finds stop strings in text that arrives in pieces.
//
// The stop string that is complete first wins; of several that end at the same place, the longest. That depends on the
// text alone, not on where the pieces are cut. Cost: a step of Knuth-Morris-Pratt for each byte and stop string.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

class StopMatcher {
 public:
  /// `stops` may be empty: then every piece passes at once.
  explicit StopMatcher(std::span<const std::string> stops);

  /// Takes the next piece of text; returns the text that no stop string can reach any more. Text that may be the
  /// beginning of a stop string is held back. After a match the rest is dropped.
  std::string push(std::string_view piece);
  /// A stop string was found; it and what follows are not part of the text.
  bool is_stopped() const { return is_stopped_; }
  /// The end of the text: returns what was held back ("" after a match).
  std::string finish();

 private:
  struct Pattern {
    std::string text;
    /// Longest proper border of each prefix.
    std::vector<size_t> border;
    /// Bytes of `text` that the end of the input matches now.
    size_t matched = 0;

    void step(char byte);
  };
  std::vector<Pattern> patterns_;
  std::string held_;
  bool is_stopped_ = false;
};

}  // namespace lockstep
