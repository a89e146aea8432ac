// The engine's part in the cache's tiers: every rank carries out the plans' copies, tells the leader how they went, and
// all agree on what failed. See docs/cache.md.
#include "core/copy.h"
#include "core/error.h"
#include "core/hash.h"
#include "dist/agree.h"
#include "launcher/engine.h"
#include "launcher/runtime/disk_speed.h"

#include <chrono>
#include <utility>

namespace lockstep {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLook{5};  // at transfers, while there is nothing to compute
constexpr int64_t kPagesPerPersistPlan = 64;

int64_t nanoseconds_since(Clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
}

}  // namespace

void Engine::use_tiers(CacheTiers& tiers) {
  LS_CHECK(table_->next_plan_number() == 0, "tiers are added after plan {}", table_->next_plan_number() - 1);
  tier_config_ = tiers.agree(group_);
  store_ = tiers.store();
  tier_config_.copy_ahead_pages =
      std::min(config_.max_step_tokens / config_.page_tokens + config_.max_sequences, config_.num_slots / 8);
  costs_ = measure_costs(tiers);
  const auto loses = [&](int64_t load) { return config_.tiers.may_bypass && load > costs_.compute; };
  // Pages that are read on the host are not loaded.
  bypassed_[static_cast<size_t>(Tier::kHost)] = !config_.offloads && loses(costs_.from_host);
  bypassed_[static_cast<size_t>(Tier::kDisk)] = tiers.file() != nullptr && loses(costs_.from_disk);
  const bool is_without_host = is_bypassed(Tier::kHost), is_without_disk = is_bypassed(Tier::kDisk) || is_without_host;
  if (is_without_disk) {
    tier_config_.disk_pages = 0;
    tier_config_.stored.clear();
  }
  if (is_without_host) tier_config_.host_slots = tier_config_.cold_slots = 0;
  if (costs_.from_disk > 0 && tier_config_.cold_slots == 0) {  // else plans would depend on what was measured
    // What the disk brings in the time of a full step.
    const int64_t step = costs_.compute * config_.max_step_tokens / config_.page_tokens;
    tier_config_.fetch_ahead_pages = std::clamp<int64_t>(step / costs_.from_disk, 4, tier_config_.host_slots / 2 + 1);
  }
  table_.emplace(config_.num_slots, tier_config_.host_slots, config_.num_open_slots(), tier_config_.cold_slots);
  reports_.emplace(group_);
  if (!is_without_host) {
    mover_ = std::make_unique<PageMover>(context_, *pool_, &tiers.host(), is_without_disk ? nullptr : tiers.file(),
                                         MoverOptions{.workers = config_.tiers.workers,
                                                      .timeout = config_.tiers.timeout,
                                                      .reads_host = config_.offloads,
                                                      .faults = FaultPlan(config_.tiers.faults, group_.rank())});
  }
  if (config_.offloads) read_on_host(tiers.host());
  if (planner_) make_planner();
}

void Engine::read_on_host(HostPool& host) {
  host_ = &host;
  if (config_.hot_pages == 0 || context_.device.kind != DeviceKind::kCuda) return;
  HotSizes sizes = hot_sizes(config_, layout_);
  sizes.num_host_slots = host.num_slots();
  hot_.emplace(context_, layout_, config_.num_slots, sizes);
  selector_->use_hot_buffer(&*hot_);
}

KvPages Engine::pages() const {
  KvPages pages = pool_->pages();
  if (host_ == nullptr) return pages;
  pages.num_slots = config_.num_slots;
  pages.host_base = host_->slot(SlotId(0)).data();
  pages.host_slot_bytes = host_->slot_bytes();
  pages.host_head_stride = host_->head_stride();
  if (!hot_) return pages;
  pages.hot_base = hot_->pages().blocks;
  pages.num_host_slots = hot_->pages().num_host_slots;
  pages.hot_blocks = hot_->pages().num_blocks;
  pages.hot_block_bytes = hot_->pages().block_bytes;
  return pages;
}

// Formats of pages and records that other versions may change are in the store's own marks.
Hash128 Engine::page_content() const {
  return hash128(fmt::format("pages of {} tokens, {} layers, head size {}, {}", layout_.page_tokens, layout_.num_layers,
                             layout_.head_dim, name_of(layout_.dtype)),
                 cache_key_);
}

// The worst rank counts: all of them load a page or none does.
PageCosts Engine::measure_costs(CacheTiers& tiers) {
  constexpr int64_t kTokens = 128;
  PageCosts costs;
  const int64_t tokens =
      std::min({kTokens, config_.max_step_tokens, config_.max_sequence, config_.num_slots * config_.page_tokens});
  measure_prefill(std::min(tokens, config_.page_tokens));  // first uses of everything
  costs.compute = std::max<int64_t>(measure_prefill(tokens) * config_.page_tokens / tokens, 1);
  costs.from_host = measure_host_copy(tiers.host());
  const double bytes_per_second = run_on_all_or_fail(
      group_, [&] { return tiers.store() != nullptr ? measure_disk_read(config_.tiers.disk_dir) : 0.0; });
  if (bytes_per_second > 0) {
    costs.from_disk =
        static_cast<int64_t>(1e9 * static_cast<double>(layout_.page_bytes()) / bytes_per_second) + costs.from_host;
  }
  costs.compute = group_.all_reduce_max(costs.compute);
  costs.from_host = group_.all_reduce_max(costs.from_host);
  costs.from_disk = group_.all_reduce_max(costs.from_disk);
  return costs;
}

// Nanoseconds of a prompt of token 0. Pages are still nobody's.
int64_t Engine::measure_prefill(int64_t num_tokens) {
  StepPlan plan;
  PageTable table(config_.num_slots, 0, config_.num_open_slots());
  PlanRow& row = plan.rows.emplace_back();
  row.tokens.assign(static_cast<size_t>(num_tokens), TokenId(0));
  row.wants_logits = true;
  for (int64_t page = 0; page < layout_.slots_for(num_tokens); ++page) {
    PageOp& op = plan.ops.emplace_back(PageOp{PageOpKind::kAllocate, PageId(page), SlotId(static_cast<int32_t>(page))});
    if (layout_.is_coded()) op.open_slot = op.slot;
    row.pages.emplace_back(page);
  }
  table.apply(plan);
  context_.stream->synchronize();
  group_.barrier();
  const auto start = Clock::now();
  batch_.assign(plan, table);
  batch_.upload(context_, sampler_.tokens());
  decoder_.forward(batch_, pool_->pages());
  context_.stream->synchronize();
  return nanoseconds_since(start);
}

// A page from the host, with its checksums, as one worker brings it.
int64_t Engine::measure_host_copy(HostPool& host) {
  constexpr int kRounds = 3;
  const KvLayout& layout = host.layout();
  const auto start = Clock::now();
  for (int round = 0; round < kRounds; ++round) {
    for (int64_t head = 0; head < layout.num_kv_heads; ++head) {
      const auto bytes = host.slot(SlotId(0)).subspan(static_cast<size_t>(head * host.head_stride()),
                                                      static_cast<size_t>(layout.head_bytes()));
      static_cast<void>(crc32c(bytes));
      copy_async(*context_.stream, pool_->pages().base + head * layout.head_bytes(), bytes.data(), layout.head_bytes());
    }
  }
  context_.stream->synchronize();
  return nanoseconds_since(start) / kRounds;
}

void Engine::follow_ops(const StepPlan& plan) {
  for (const PageOp& op : plan.ops) {
    if (const auto channel = channel_of(op)) ++transfers_begun_[static_cast<size_t>(*channel)];
  }
  if (mover_ && mover_->diverges(plan.number)) must_diverge_ = true;
  if (mover_) mover_->begin(plan);
  // On purpose: this rank forgets an op that shows nowhere else.
  std::optional<size_t> forgotten;
  for (size_t i = 0; must_diverge_ && i < plan.ops.size() && !forgotten; ++i) {
    if (plan.ops[i].kind == PageOpKind::kSeal) forgotten = i;
  }
  if (forgotten) must_diverge_ = false;
  table_->apply(plan, forgotten);
  batch_.follow(plan, config_.num_slots);
  if (hot_) hot_->follow(plan);
}

void Engine::confirm(const StepPlan& plan) {
  failed_pages_.clear();
  if (!mover_) return;
  if (plan.confirms) failed_pages_ = agree_on_failed_pages(group_, mover_->confirm(plan));
  if (tier_config_.cold_slots > 0 && !planner_) return await_disk();
  if (plan.rows.empty()) mover_->wait_for_progress(kLook);
  if (!planner_) tell_transfers();
}

void Engine::report_transfers() {
  if (!mover_) return;
  tier_config_.cold_slots > 0 ? await_disk() : static_cast<void>(tell_transfers());
}

// Where results depend on the plans, plans must not depend on how fast the disk is: all that was begun is done before
// the next one, on every rank. The others come here behind the step, the leader before it plans.
void Engine::await_disk() {
  const auto start = Clock::now();
  const auto is_through = [this] {
    return disk_done_[0] == transfers_begun_[static_cast<size_t>(TransferChannel::kToDisk)] &&
           disk_done_[1] == transfers_begun_[static_cast<size_t>(TransferChannel::kFromDisk)];
  };
  for (tell_transfers(); !is_through(); tell_transfers()) {
    ++progress_;
    group_.throw_if_failed();
    mover_->wait_for_progress(kLook);
  }
  if (planner_) times_.disk += static_cast<double>(nanoseconds_since(start)) * 1e-9;
}

void Engine::persist() {
  if (!mover_ || !config_.tiers.persist) return;
  for (report_transfers(); auto plan = planner_->persist_plan(kPagesPerPersistPlan); report_transfers()) {
    publish(std::move(*plan));
  }
}

// What is on its way to the disk gets there, and the leader knows of it.
void Engine::end_with(const StepPlan& last) {
  follow_ops(last);
  if (!mover_) return;
  mover_->end(last);
  const auto deadline = Clock::now() + 2 * config_.tiers.timeout;
  while (!tell_transfers() && Clock::now() < deadline) {
    ++progress_;
    mover_->wait_for_progress(kLook);
  }
}

// Whether all transfers have ended: of all ranks on the leader, else of this one.
bool Engine::tell_transfers() {
  const TransferReport report = mover_->take_report();
  if (!planner_) {
    reports_->post(report);
    note_disk(report.done_through);
    return report.done_through == transfers_begun_;
  }
  const TransferStatus status = reports_->collect(report);
  planner_->report(status);
  note_disk(status.done);
  return status.done == transfers_begun_;
}

}  // namespace lockstep
