// How the engine sets its cache up: pages in memory, table, planner.
#include "core/error.h"
#include "dist/model/key_calibration.h"
#include "launcher/engine.h"

#include <algorithm>

namespace lockstep {
namespace {

// Query heads of one KV head choose pages together, as far as they are on one rank.
Hash128 sparse_key(const EngineConfig& config, int32_t ranks_of_kv_head) {
  if (!config.sparse) return {};
  return hash128(fmt::format("sparse {} {}", ranks_of_kv_head, config.sparse->text()));
}

// A batch job knows who reads a page next, as far as its window reaches.
bool knows_future(const std::string& policy) { return policy == "adaptive" || policy == "compressed"; }

}  // namespace

PageShape EngineConfig::page_shape() const {
  const KvLayout layout{.format = format};
  return {.page_tokens = page_tokens,
          .is_coded = layout.is_coded(),
          .splits_first_page = layout.splits_first_page(),
          .is_sparse = sparse.has_value(),
          .is_sealed_by_step = layout.is_coded() || sparse};
}

BatchLimits EngineConfig::batch_limits() const {
  // Tokens of preempted sequences that attend sparsely are a row each: the planner adds no more of them to a step.
  const int64_t rows = DecodeGraphs::padded(max_sequences) + (sparse ? page_tokens : 0);
  return {.tokens = most_forward_tokens(),
          .rows = rows,
          .pages = rows * most_pages(),
          .filled_pages = rows + max_step_tokens / page_tokens};
}

// All that depends on how pages lie in memory.
void Engine::make_cache(const LayerSet& wide_keys) {
  layout_ = decoder_.kv_layout(config_.page_tokens);
  layout_.format = config_.format;
  if (config_.format == KvFormat::kKv4) layout_.wide_keys = wide_keys;
  layout_.has_summaries = config_.sparse && !layout_.is_coded();
  cold_layout_ = cold_layout_of(layout_, config_.tiers.cold_format, wide_keys);
  cache_key_ = layout_.is_coded() ? hash128(std::as_bytes(std::span(wide_keys.words())),
                                            hash128(fmt::format("format {}", name_of(config_.format)), model_key_))
                                  : model_key_;
  if (config_.tiers.cold_format != KvFormat::kFull) {
    // What was computed on pages that had been cold is nobody else's.
    const std::string how =
        fmt::format("cold {} {}", name_of(config_.tiers.cold_format), config_.tiers.compression_ratio);
    cache_key_ = hash128(std::as_bytes(std::span(cold_layout_.wide_keys.words())), hash128(how, cache_key_));
  }
  table_.emplace(config_.num_slots, 0, config_.num_open_slots());
  pool_.reset();
  pool_.emplace(layout_, config_.num_slots, context_.device, config_.num_open_slots(),
                config_.sparse ? config_.num_slots + (config_.offloads ? config_.tiers.host_slots : 0) : 0);
  if (config_.sparse) {
    selector_.emplace(context_, *config_.sparse, layout_, config_.batch_limits().rows, config_.most_pages());
    decoder_.set_selector(&*selector_);
  }
  if (is_leader_) make_planner();
}

void Engine::make_planner() {
  planner_ = std::make_unique<Planner>(
      PlannerConfig{.num_slots = config_.num_slots,
                    .page_tokens = config_.page_tokens,
                    .max_step_tokens = config_.max_step_tokens,
                    .max_sequences = config_.max_sequences,
                    .prefill_chunk = config_.prefill_chunk,
                    .open_slots = config_.num_open_slots(),
                    .splits_first_page = layout_.splits_first_page(),
                    .sparse = config_.sparse.has_value(),
                    .sparse_key = sparse_key(config_, ranks_of_kv_head_),
                    .offload = config_.offloads && tier_config_.host_slots > 0,
                    .sparse_sink_pages = config_.sparse ? config_.sparse->shared().sink_pages : 0,
                    .sparse_recent_pages = config_.sparse ? config_.sparse->shared().recent_pages : 0,
                    .share_prefixes = config_.share_prefixes,
                    .cache_key = cache_key_,
                    .policy = config_.policy,
                    .knows_future = knows_future(config_.policy),
                    .order = config_.order,
                    .tiers = tier_config_});
}

void Engine::calibrate() {
  if (config_.format != KvFormat::kKv4 && config_.tiers.cold_format != KvFormat::kKv4) return;
  LS_CHECK(table_->next_plan_number() == 0 && !mover_, "the cache is calibrated after its first use");
  key_signal_to_noise_ =
      lockstep::key_signal_to_noise(context_, decoder_, group_, model_, config_.page_tokens, config_.max_step_tokens);
}

void Engine::widen_keys() {
  const LayerSet wide = layers_of_wide_keys(key_signal_to_noise_);
  if (wide.size() == 0) return;
  if (config_.format != KvFormat::kKv4) {  // only cold pages
    const int64_t before = config_.tiers.cold_slots;
    if (before > 0 && config_.tiers.host_bytes > 0)
      fit_cold_slots(config_.tiers, layout_, cold_layout_of(layout_, KvFormat::kKv4, wide));
    return make_cache(wide);
  }
  KvLayout wider = layout_;
  wider.wide_keys = wide;
  if (config_.tiers.are_slots_by_bytes) {
    config_.tiers.host_slots =
        config_.tiers.host_slots * HostPool::slot_bytes_of(layout_) / HostPool::slot_bytes_of(wider);
  }
  if (config_.budget.bytes != DeviceBudget::kUnbounded) fit_device(config_, wider, context_.device);
  make_cache(wide);
}

}  // namespace lockstep
