// Sizes of an engine from settings, model and free memory, the same on every rank.
#pragma once

#include "core/settings/engine_settings.h"
#include "dist/communicator.h"
#include "dist/sharding.h"
#include "launcher/engine.h"

#include <cstdint>
#include <string>

namespace lockstep {

/// Bytes that one rank will hold.
struct RankMemory {
  int64_t weights = 0, activations = 0, kv_cache = 0;
  int64_t total() const { return weights + activations + kv_cache; }
};

struct Sizing {
  EngineConfig engine;
  RankMemory memory;
  std::string reason;  // how the KV cache got its size
};

/// Memory that this process could still take without swapping, in bytes (MemAvailable, bounded by the cgroup's limit).
int64_t available_memory();

/// Resolves "auto": dtype from the model, longest sequence from the model, KV cache from free memory (the part of
/// `available_bytes` that `local_size` ranks leave to this one, half of what weights and activations do not take).
/// Ranks: local. Throws: ConfigError naming the key whose value cannot work.
Sizing propose_sizing(const EngineSettings& settings, const ModelConfig& model, const ModelShard& shard,
                      const OpContext& context, int64_t available_bytes, int32_t local_size);

/// Makes the proposal equal on all ranks: KV cache slots and the longest sequence are the least over `world`.
/// Ranks: collective.
void agree_on_sizing(Communicator& world, Sizing& sizing);

}  // namespace lockstep
