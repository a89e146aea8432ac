#include "launcher/eval/text_windows.h"

#include "core/error.h"

#include <algorithm>

namespace lockstep {

std::vector<ForcedSequence> cut_windows(std::span<const TokenId> text, std::optional<TokenId> bos, int64_t window,
                                        int64_t context) {
  const auto prompt_tokens = static_cast<size_t>(1 + context);
  LS_REQUIRE(ConfigError, static_cast<int64_t>(prompt_tokens) < window,
             "window = {}, context = {}: no token is left to be scored", window, context);
  const auto most_text = static_cast<size_t>(window) - (bos ? 1 : 0);
  std::vector<ForcedSequence> windows;
  for (size_t begin = 0; begin < text.size(); begin += most_text) {
    std::vector<TokenId> all;
    if (bos) all.push_back(*bos);
    const std::span<const TokenId> part = text.subspan(begin, std::min(most_text, text.size() - begin));
    all.insert(all.end(), part.begin(), part.end());
    if (all.size() <= prompt_tokens) break;
    const auto scored = all.begin() + static_cast<int64_t>(prompt_tokens);
    windows.push_back({{all.begin(), scored}, {scored, all.end()}});
  }
  return windows;
}

}  // namespace lockstep
