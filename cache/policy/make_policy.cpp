#include "cache/policy/adaptive.h"
#include "cache/policy/compressed.h"
#include "cache/policy/eviction_policy.h"
#include "cache/policy/fifo.h"
#include "cache/policy/lfu.h"
#include "cache/policy/lru.h"
#include "cache/policy/planned_use.h"
#include "core/error.h"

namespace lockstep {

std::unique_ptr<EvictionPolicy> make_eviction_policy(std::string_view name, bool knows_future) {
  if (name == "lru") return std::make_unique<LruPolicy>();
  if (name == "lfu") return std::make_unique<LfuPolicy>();
  if (name == "fifo") return std::make_unique<FifoPolicy>();
  if (name == "adaptive") {
    if (knows_future) return std::make_unique<PlannedUsePolicy>();
    return std::make_unique<AdaptivePolicy>();
  }
  if (name == "compressed") {
    return std::make_unique<CompressedPolicy>(make_eviction_policy("adaptive", knows_future));
  }
  LS_THROW(ConfigError, "unknown eviction policy '{}'; accepted: lru, lfu, fifo, adaptive, compressed", name);
}

}  // namespace lockstep
