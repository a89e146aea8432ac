// What the benchmarks of whole steps share: a session for given batches and contexts, and its limits.
#pragma once

#include "launcher/commands/bench/costs.h"
#include "launcher/commands/bench/limits.h"
#include "launcher/commands/bench/settings.h"
#include "launcher/session.h"

#include <cstdint>

namespace lockstep::bench {

/// Makes the engine as large as `batch` sequences of `tokens` tokens need; more memory than is there shrinks the KV
/// cache (see fitting_batch).
void size_for(EngineSettings& settings, int64_t batch, int64_t tokens);

/// `batch`, or as many sequences of `tokens` tokens as the KV cache holds, which is said on the log then. At least 1.
/// With offload the host's pages count in: sequences that generate may lie there.
int64_t fitting_batch(const Engine& engine, int64_t batch, int64_t tokens);

/// The shard of the leader.
ModelCost cost_of(const Session& session);

}  // namespace lockstep::bench
