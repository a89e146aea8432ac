// Sizes of an engine from settings, model and free memory, the same on every rank.
#pragma once

#include "core/settings/engine_settings.h"
#include "dist/communicator.h"
#include "dist/sharding.h"
#include "launcher/device_slots.h"
#include "launcher/engine.h"

#include <cstdint>
#include <string>

namespace lockstep {

/// Bytes that one rank will hold.
struct RankMemory {
  int64_t weights = 0, activations = 0, kv_cache = 0;
  int64_t host_cache = 0;  // pages in host memory; not part of the total
  int64_t total() const { return weights + activations + kv_cache; }
};

struct Sizing {
  EngineConfig engine;
  RankMemory memory;
  KvLayout layout;         // as if no layer's keys needed 8 bits in kv4
  int64_t slot_bytes = 0;  // of the KV cache on the device
  int64_t cold_slot_bytes = 0;
  std::string reason;  // how the KV cache got its size
};

/// Memory that one rank may take on its device.
struct AvailableMemory {
  int64_t bytes = 0;
  /// Of what weights and activations leave, the share that the KV cache may have: half of host memory, which the page
  /// cache and others want too; nine tenths of a GPU's.
  double cache_share = 0.5;
  /// Of a GPU rank: host memory that it may take.
  int64_t host_bytes = 0;
};

/// The CPU: an equal part for each of the node's `local_size` ranks of what could still be taken without swapping
/// (MemAvailable, bounded by the cgroup's limit). A GPU: what it has free, divided among the node's ranks only where
/// they share GPUs.
AvailableMemory available_memory(Device device, int32_t local_size, bool share_gpu);

/// Resolves "auto": dtype from the model, longest sequence from the model, KV cache from free memory.
/// Ranks: local. Throws: ConfigError naming the key whose value cannot work.
Sizing propose_sizing(const EngineSettings& settings, const ModelConfig& model, const ModelShard& shard,
                      const OpContext& context, const AvailableMemory& available);

/// Makes the proposal equal on all ranks: bytes and slots of all tiers are the least over `world`, so that whatever is
/// cut from them later is equal too.
/// Ranks: collective.
void agree_on_sizing(Communicator& world, Device device, Sizing& sizing);

}  // namespace lockstep
