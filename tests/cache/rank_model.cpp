#include "tests/cache/rank_model.h"

#include "core/error.h"

#include <algorithm>

namespace lockstep {
namespace {

constexpr uint64_t kGarbage = 0xbadbadbadbadbad;

}  // namespace

RankModel::RankModel(const PlannerConfig& config, const RankModelOptions& options)
    : options_(options),
      random_(options.seed),
      table_(config.num_slots, config.tiers.host_slots, config.open_slots, config.tiers.cold_slots),
      device_(static_cast<size_t>(config.num_slots),
              std::vector<uint64_t>(static_cast<size_t>(config.page_tokens), uint64_t{0})),
      open_(static_cast<size_t>(config.open_slots),
            std::vector<uint64_t>(static_cast<size_t>(config.page_tokens), uint64_t{0})),
      host_(static_cast<size_t>(config.tiers.host_slots + config.tiers.cold_slots)) {
  for (HostSlot& slot : host_) slot.content.resize(static_cast<size_t>(config.page_tokens));
}

void RankModel::apply(const StepPlan& plan) {
  table_.apply(plan);
  failed_promotions_.clear();
  for (const PageOp& op : plan.ops) apply(op);
  if (!plan.confirms) check_unconfirmed(plan);
}

// Only the plans in the end may have copies that nobody confirms: no row reads them, and what was promoted is gone with
// the plan.
void RankModel::check_unconfirmed(const StepPlan& plan) {
  for (const PageId page : failed_promotions_) {
    const auto last = std::find_if(plan.ops.rbegin(), plan.ops.rend(),
                                   [page](const PageOp& op) { return op.page == page && op.slot.value() >= 0; });
    LS_CHECK(plan.rows.empty() && last->kind == PageOpKind::kEvict,
             "plan {} promotes or offloads page {} and does not confirm", plan.number, page.value());
  }
  failed_promotions_.clear();
}

bool RankModel::fails(bool source_is_void) {
  const bool is_bad_luck = options_.failure_rate > 0 && random_() % static_cast<uint64_t>(options_.failure_rate) == 0;
  if (is_bad_luck) ++num_failures_;
  return source_is_void || is_bad_luck;
}

void RankModel::apply(const PageOp& op) {
  const auto channel = channel_of(op);
  const uint64_t number = channel ? ++issued_[static_cast<size_t>(*channel)] : 0;
  bool has_failed = false;
  switch (op.kind) {
    case PageOpKind::kAllocate:
      std::fill(device(op).begin(), device(op).end(), 0);
      if (op.open_slot.value() < 0) return;
      std::fill_n(open_[static_cast<size_t>(op.open_slot.value())].begin(), device(op).size(), 0);
      return;
    case PageOpKind::kSeal:
      LS_CHECK(std::count(device(op).begin(), device(op).end(), 0) == 0, "page {} is sealed before it is full",
               op.page.value());
      return;
    case PageOpKind::kEvict:
      if (op.tier == Tier::kDisk) disk().erase(op.key);
      if (is_offload(op) && host(op).is_void) failed_promotions_.push_back(op.page);
      return;
    case PageOpKind::kInvalidate: disk().erase(op.key); return;
    case PageOpKind::kTranscode: {
      LS_CHECK(host(op).fetch <= told_.done[static_cast<size_t>(TransferChannel::kFromDisk)], "shrunk while fetched");
      has_failed = fails(host(op).is_void);
      HostSlot& cold = host_[static_cast<size_t>(op.cold_slot.value())];
      cold = {host(op).content, 0, has_failed};
      if (has_failed) std::fill(cold.content.begin(), cold.content.end(), kGarbage);
      break;
    }
    case PageOpKind::kDemote:
      if (op.tier == Tier::kHost) {
        has_failed = fails(false);
        host(op) = {device(op), 0, has_failed};
        if (has_failed) std::fill(host(op).content.begin(), host(op).content.end(), kGarbage);
      } else {
        LS_CHECK(host(op).fetch <= told_.done[static_cast<size_t>(TransferChannel::kFromDisk)], "stored while fetched");
        has_failed = fails(host(op).is_void);
        if (!has_failed) disk()[op.key] = host(op).content;
      }
      break;
    case PageOpKind::kPromote:
      if (op.tier == Tier::kHost) {
        const auto at = disk().find(op.key);
        has_failed = fails(at == disk().end());
        host(op).fetch = number;
        host(op).is_void = has_failed;
        std::fill(host(op).content.begin(), host(op).content.end(), kGarbage);
        if (!has_failed) host(op).content = at->second;
      } else {
        LS_CHECK(host(op).fetch <= told_.done[static_cast<size_t>(TransferChannel::kFromDisk)],
                 "page {} is promoted while it comes from the disk", op.page.value());
        has_failed = fails(host(op).is_void);
        device(op) = host(op).content;
        if (!has_failed) return;
        std::fill(device(op).begin(), device(op).end(), kGarbage);
        failed_promotions_.push_back(op.page);
        return;
      }
      break;
  }
  if (has_failed) failures_.push_back({*channel, number});
}

TransferStatus RankModel::report() {
  TransferStatus status;
  for (size_t channel = 0; channel < kNumTransferChannels; ++channel) {
    const uint64_t step =
        options_.slowness == 0 ? issued_[channel] : random_() % static_cast<uint64_t>(options_.slowness + 1);
    done_[channel] = std::min(issued_[channel], done_[channel] + step);
  }
  status.done = done_;
  std::erase_if(failures_, [&](const TransferStatus::Failure& failure) {
    const bool is_over = failure.number <= done_[static_cast<size_t>(failure.channel)];
    if (is_over) status.failed.push_back(failure);
    return is_over;
  });
  return status;
}

}  // namespace lockstep
