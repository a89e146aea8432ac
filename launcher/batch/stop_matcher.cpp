#include "launcher/batch/stop_matcher.h"

#include "core/error.h"

#include <algorithm>
#include <utility>

namespace lockstep {

StopMatcher::StopMatcher(std::span<const std::string> stops) {
  for (const std::string& stop : stops) {
    LS_CHECK(!stop.empty(), "an empty stop string would match everywhere");
    Pattern pattern{stop, std::vector<size_t>(stop.size(), 0), 0};
    for (size_t i = 1, length = 0; i < stop.size(); ++i) {
      while (length > 0 && stop[i] != stop[length]) length = pattern.border[length - 1];
      if (stop[i] == stop[length]) ++length;
      pattern.border[i] = length;
    }
    patterns_.push_back(std::move(pattern));
  }
}

void StopMatcher::Pattern::step(char byte) {
  while (matched > 0 && text[matched] != byte) matched = border[matched - 1];
  if (text[matched] == byte) ++matched;
}

std::string StopMatcher::push(std::string_view piece) {
  if (is_stopped_) return {};
  size_t reachable = 0;  // bytes at the end of held_ that a stop string may begin with
  for (const char byte : piece) {
    held_.push_back(byte);
    reachable = 0;
    size_t complete = 0;
    for (Pattern& pattern : patterns_) {
      pattern.step(byte);
      reachable = std::max(reachable, pattern.matched);
      if (pattern.matched == pattern.text.size()) complete = std::max(complete, pattern.matched);
    }
    if (complete > 0) {
      is_stopped_ = true;
      held_.resize(held_.size() - complete);
      return finish();
    }
  }
  if (piece.empty()) return {};
  std::string passed = held_.substr(0, held_.size() - reachable);
  held_.erase(0, passed.size());
  return passed;
}

std::string StopMatcher::finish() { return std::exchange(held_, {}); }

}  // namespace lockstep
