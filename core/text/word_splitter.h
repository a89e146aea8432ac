// Cutting words by a pattern, with Hugging Face's five behaviours for the matches.
#pragma once

#include "core/text/pattern.h"
#include "core/text/pre_tokenizer.h"

#include <cstdint>
#include <vector>

namespace lockstep {

/// What becomes of a match: a word of its own, nothing, part of the word before or behind it, or one word together with
/// the matches that touch it.
enum class SplitBehavior : uint8_t { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous };

/// Reads the key `behavior`; throws FormatError. Absent: `fallback`.
SplitBehavior read_split_behavior(const JsonObject& component, SplitBehavior fallback);

class WordSplitter : public PreTokenizer {
 public:
  /// `invert`: what lies between matches counts as matched, and the other way round.
  WordSplitter(Pattern pattern, SplitBehavior behavior, bool invert = false)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

  void apply(Words& words) const override;

 private:
  Pattern pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

}  // namespace lockstep
