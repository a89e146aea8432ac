// A text cut into windows that a model reads each from its beginning.
#pragma once

#include "launcher/eval/forced_pass.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace lockstep {

/// Windows of up to `window` tokens, one behind the other: `bos` if the model has one, then text. What comes first and
/// is not scored (the prompt) is the bos token, or without one the window's first token, and `context` tokens more. A
/// last window without a token to score is left out. 0 <= context, and window holds a token more than what is not
/// scored.
std::vector<ForcedSequence> cut_windows(std::span<const TokenId> text, std::optional<TokenId> bos, int64_t window,
                                        int64_t context);

}  // namespace lockstep
