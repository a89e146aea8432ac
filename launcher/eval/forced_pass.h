// Runs sequences whose tokens are given through an engine, each token by a decode step of its own: so the cache's
// formats and a sparse choice of pages act as they do when a model answers.
#pragma once

#include "core/ids.h"
#include "launcher/engine.h"

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace lockstep {

struct ForcedSequence {
  std::vector<TokenId> prompt, tokens;  // neither empty
};

struct ForcedPass {
  std::vector<bool> failed;  // by sequence: its logits were not finite somewhere, and it ended there
  double seconds = 0.0;      // without what the visitor took
};

/// Is told the logits [vocabulary], all finite, that decide tokens[index] of a sequence: of each sequence in order,
/// those of several between each other.
using ForcedVisitor = std::function<void(size_t sequence, size_t index, std::span<const float> logits)>;

/// Ranks: leader, with others in follow(). Throws: ConfigError for a sequence that can never fit; what `visit` throws.
ForcedPass run_forced(Engine& engine, std::span<const ForcedSequence> sequences, const ForcedVisitor& visit);

}  // namespace lockstep
