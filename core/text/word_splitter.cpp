#include "core/text/word_splitter.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace lockstep {
namespace {

/// Joins every match that does not follow another match to its predecessor in `cuts`, in place.
void merge_with_predecessor(std::vector<Cut>& cuts) {
  std::size_t kept = 0;
  bool previous_matched = false;
  for (const Cut cut : cuts) {
    const bool joins = cut.matched && !previous_matched && kept > 0;
    previous_matched = cut.matched;
    if (joins) {
      Cut& last = cuts[kept - 1];
      last.begin = std::min(last.begin, cut.begin);
      last.end = std::max(last.end, cut.end);
    } else {
      cuts[kept++] = cut;
    }
  }
  cuts.resize(kept);
}

void merge_alike(std::vector<Cut>& cuts) {
  std::size_t kept = 0;
  for (const Cut cut : cuts) {
    if (kept > 0 && cuts[kept - 1].matched == cut.matched) {
      cuts[kept - 1].end = cut.end;
    } else {
      cuts[kept++] = cut;
    }
  }
  cuts.resize(kept);
}

void arrange(std::vector<Cut>& cuts, SplitBehavior behavior) {
  switch (behavior) {
    case SplitBehavior::kIsolated: return;
    case SplitBehavior::kRemoved: std::erase_if(cuts, [](const Cut& cut) { return cut.matched; }); return;
    case SplitBehavior::kContiguous: return merge_alike(cuts);
    case SplitBehavior::kMergedWithPrevious: return merge_with_predecessor(cuts);
    case SplitBehavior::kMergedWithNext:
      std::reverse(cuts.begin(), cuts.end());
      merge_with_predecessor(cuts);
      std::reverse(cuts.begin(), cuts.end());
      return;
  }
}

}  // namespace

SplitBehavior read_split_behavior(const JsonObject& component, SplitBehavior fallback) {
  if (!component.has("behavior")) return fallback;
  const std::string name = component.text("behavior");
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  component.refuse("behavior", "Isolated, Removed, MergedWithPrevious, MergedWithNext, Contiguous");
}

void WordSplitter::apply(Words& words) const {
  std::vector<WordRange> ranges;
  ranges.reserve(words.ranges.size());
  std::vector<Cut> cuts;
  for (const WordRange& word : words.ranges) {
    pattern_.cut(std::string_view(words.text).substr(word.begin, word.end - word.begin), cuts);
    if (invert_)
      for (Cut& cut : cuts) cut.matched = !cut.matched;
    arrange(cuts, behavior_);
    for (const Cut& cut : cuts)
      if (cut.begin < cut.end)
        ranges.push_back({word.begin + cut.begin, word.begin + cut.end, word.starts_input && cut.begin == 0});
  }
  words.ranges = std::move(ranges);
}

}  // namespace lockstep
