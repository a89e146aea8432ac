#include "launcher/commands/bench/engine_bench.h"

#include "core/error.h"
#include "core/log.h"
#include "dist/sharding.h"

#include <algorithm>

namespace lockstep::bench {

void size_for(EngineSettings& settings, int64_t batch, int64_t tokens) {
  settings.schedule.max_sequences = batch;
  settings.model.max_sequence = tokens;
}

int64_t fitting_batch(const Engine& engine, int64_t batch, int64_t tokens) {
  const EngineConfig& config = engine.config();
  const int64_t pages = (tokens + config.page_tokens - 1) / config.page_tokens;
  const int64_t slots = config.num_slots + (config.offloads ? config.tiers.host_slots : 0);
  const int64_t fits = std::max<int64_t>(1, slots / pages);
  if (fits >= batch) return batch;
  log_warn("batch {} of {} tokens: the KV cache holds {} pages of {} tokens, so {} sequences are measured", batch,
           tokens, slots, config.page_tokens, fits);
  return fits;
}

ModelCost cost_of(const Session& session) {
  const ModelConfig& config = session.checkpoint().config();
  ModelCost cost(config, shard_of(config, session.group().size(), session.group().rank()),
                 session.sizing().engine.dtype);
  cost.set_pages(session.engine().kv_layout(), session.engine().config().sparse);
  return cost;
}

}  // namespace lockstep::bench
