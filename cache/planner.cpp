#include "cache/planner.h"

#include "cache/planner/impl.h"
#include "core/error.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace lockstep {
namespace {

void require_at_least(const char* field, int64_t value, int64_t least) {
  LS_REQUIRE(ConfigError, value >= least, "planner: {} is {}; it must be at least {}", field, value, least);
}

const PlannerConfig& validated(const PlannerConfig& config) {
  constexpr int64_t kMostSlots = std::numeric_limits<SlotId::value_type>::max();
  require_at_least("num_slots", config.num_slots, 1);
  LS_REQUIRE(ConfigError, config.num_slots <= kMostSlots, "planner: num_slots is {}; at most {} are possible",
             config.num_slots, kMostSlots);
  require_at_least("page_tokens", config.page_tokens, 1);
  LS_REQUIRE(ConfigError, config.max_step_tokens >= config.page_tokens,
             "planner: max_step_tokens is {}; it must be at least page_tokens, {}", config.max_step_tokens,
             config.page_tokens);
  require_at_least("max_sequences", config.max_sequences, 1);
  LS_REQUIRE(ConfigError, config.prefill_chunk >= 0 && config.prefill_chunk % config.page_tokens == 0,
             "planner: prefill_chunk is {}; it must be 0 or a multiple of page_tokens, {}", config.prefill_chunk,
             config.page_tokens);
  LS_REQUIRE(ConfigError, config.open_slots == 0 || config.open_slots >= config.least_open_slots(),
             "planner: open_slots is {}; it must be 0 or at least {}, what one sequence writes in a step",
             config.open_slots, config.least_open_slots());
  const TierConfig& tiers = config.tiers;
  require_at_least("host_slots", tiers.host_slots, 0);
  LS_REQUIRE(ConfigError, tiers.host_slots <= kMostSlots, "planner: host_slots is {}; at most {} are possible",
             tiers.host_slots, kMostSlots);
  require_at_least("cold_slots", tiers.cold_slots, 0);
  LS_REQUIRE(ConfigError, tiers.cold_slots <= kMostSlots - tiers.host_slots,
             "planner: cold_slots is {}; at most {} are possible beside {} host slots", tiers.cold_slots,
             kMostSlots - tiers.host_slots, tiers.host_slots);
  LS_REQUIRE(ConfigError, tiers.cold_slots == 0 || (config.policy == "compressed" && tiers.host_slots > 0),
             "planner: cold slots need the policy compressed and host slots of the canonical format, where first pages "
             "and pages of the disk come by; there are {} under {}",
             tiers.host_slots, config.policy);
  LS_REQUIRE(
      ConfigError, tiers.cold_slots == 0 || !config.offload,
      "planner: pages that are read on the host have the canonical format; offload does not go with {} cold slots",
      tiers.cold_slots);
  require_at_least("disk_pages", tiers.disk_pages, 0);
  require_at_least("disk_pages_per_segment", tiers.disk_pages_per_segment, 1);
  LS_REQUIRE(ConfigError, tiers.host_slots > 0 || (tiers.disk_pages == 0 && tiers.stored.empty()),
             "planner: a disk tier needs host slots, where its pages come by");
  LS_REQUIRE(ConfigError, !config.offload || (config.sparse && tiers.host_slots > 0),
             "planner: offload is for sparse attention and needs host slots; there are {}", tiers.host_slots);
  require_at_least("sparse_sink_pages", config.sparse_sink_pages, 0);
  require_at_least("sparse_recent_pages", config.sparse_recent_pages, 0);
  return config;
}

// Pages at the beginning of a sequence that keep the format they have.
int64_t num_exact_first(const PlannerConfig& config) {
  if (config.tiers.cold_slots == 0 || config.tiers.cold_takes_first) return 0;
  return config.splits_first_page ? 2 : 1;
}

}  // namespace

Planner::Impl::Impl(const PlannerConfig& checked_config)
    : config(checked_config),
      paging{config.page_tokens, config.splits_first_page},
      policy(make_eviction_policy(config.policy, config.knows_future)),
      tree(*policy, readers, num_exact_first(config)),
      pool(config.num_slots, config.tiers.host_slots, config.open_slots, config.tiers.cold_slots),
      disk(config.tiers.disk_pages, config.tiers.disk_pages_per_segment, config.tiers.stored) {
  update_gauges();
}

SequenceState& Planner::Impl::sequence_of(SequenceId id) {
  const auto at = sequences.find(id);
  LS_CHECK(at != sequences.end(), "sequence {} is not known (any more)", id.value());
  return at->second;
}

std::vector<SequenceState*>::iterator Planner::Impl::position_in_running(const SequenceState& sequence) {
  return std::lower_bound(running.begin(), running.end(), sequence.place,
                          [](const SequenceState* one, uint64_t place) { return one->place < place; });
}

void Planner::Impl::update_gauges() {
  stats.used_slots = pool.num_used();
  stats.unreferenced_pages = tree.num_unreferenced();
  stats.evictions[static_cast<size_t>(Tier::kDevice)] = stats.evicted_pages;
  stats.stored_now = disk.num_orphans() + tree.num_stored();
  stats.used_cold_slots = pool.cold().num_used();
  stats.used_host_slots = pool.host().num_used() + stats.used_cold_slots;
  stats.in_place_pages = tree.num_in_place();
  stats.peak_in_place_pages = std::max(stats.peak_in_place_pages, stats.in_place_pages);
  stats.peak_used_slots = std::max(stats.peak_used_slots, stats.used_slots);
}

Planner::Planner(const PlannerConfig& config) : impl_(std::make_unique<Impl>(validated(config))) {}
Planner::~Planner() = default;

SequenceId Planner::add(SequenceSpec spec) {
  LS_REQUIRE(ConfigError, !spec.prompt.empty(), "a sequence needs at least one prompt token");
  require_at_least("max_new_tokens", spec.max_new_tokens, 1);
  const auto num_prompt_tokens = static_cast<int64_t>(spec.prompt.size());
  const int64_t page_tokens = impl_->config.page_tokens, num_slots = impl_->config.num_slots;
  constexpr int64_t kMostTokens = std::numeric_limits<int64_t>::max() / 2;  // the sum below must not overflow
  const int64_t num_pages = impl_->paging.pages_for(num_prompt_tokens + std::min(spec.max_new_tokens, kMostTokens));
  LS_REQUIRE(ConfigError, num_pages <= num_slots,
             "a prompt of {} tokens and {} new tokens need {} pages of {} tokens; the KV cache has {}",
             num_prompt_tokens, spec.max_new_tokens, num_pages, page_tokens, num_slots);

  const SequenceId id(impl_->next_sequence++);
  SequenceState& sequence = impl_->sequences[id];
  sequence.id = id;
  sequence.tokens = std::move(spec.prompt);
  sequence.num_prompt_tokens = num_prompt_tokens;
  sequence.max_new_tokens = spec.max_new_tokens;
  sequence.needs_full_logits = spec.needs_full_logits;
  sequence.is_sparse = impl_->config.sparse;
  sequence.sparse_key = impl_->config.sparse_key;
  if (spec.scores_prompt) sequence.score_end = num_prompt_tokens - 1;
  // Without sharing every sequence has a root of its own: nobody else can find its pages, but it can, when preempted.
  const SequenceId own[] = {id};
  sequence.root = impl_->config.share_prefixes ? impl_->config.cache_key
                                               : hash128(std::as_bytes(std::span(own)), impl_->config.cache_key);
  impl_->enqueue(sequence);
  return id;
}

bool Planner::has_work() const { return !impl_->sequences.empty(); }
int64_t Planner::num_waiting() const { return static_cast<int64_t>(impl_->waiting.size()); }
int64_t Planner::num_running() const { return static_cast<int64_t>(impl_->running.size()); }

StepPlan Planner::plan() { return impl_->plan(); }
void Planner::report(const TransferStatus& status) { impl_->report(status); }
void Planner::commit(const StepPlan& plan, std::span<const TokenId> sampled, std::span<const PageId> failed) {
  impl_->commit(plan, sampled, failed);
}
void Planner::commit_ahead(const StepPlan& plan) { impl_->commit_ahead(plan); }
std::optional<StepPlan> Planner::plan_ahead() { return impl_->plan_ahead(); }
void Planner::resolve(const StepPlan& plan, std::span<const TokenId> sampled) { impl_->resolve(plan, sampled); }
SequenceReport Planner::finish(SequenceId sequence) { return impl_->finish(sequence); }

std::optional<StepPlan> Planner::persist_plan(int64_t max_pages) {
  LS_CHECK(impl_->sequences.empty() && !impl_->plan_is_open, "pages are persisted while sequences are there");
  return impl_->persist_plan(max_pages);
}

StepPlan Planner::last_plan() {
  LS_CHECK(!impl_->plan_is_open, "plan {} was not committed", impl_->next_number - 1);
  LS_CHECK(!impl_->unresolved, "the tokens of plan {} were not told", *impl_->unresolved);
  return impl_->last_plan();
}

const StackDistance& Planner::reuse() const { return impl_->reuse; }
const PlannerStats& Planner::stats() const { return impl_->stats; }
void Planner::check_invariants() const { impl_->check_invariants(); }

}  // namespace lockstep
