#include "tests/cache/transfer/random_plans.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace lockstep::test {

RandomPlans::RandomPlans(Rig& rig, uint64_t seed, int sync_every) : rig_(rig), random_(seed), sync_every_(sync_every) {
  for (int64_t i = 0; i < rig.options.device_slots; ++i) free_device_.push_back(static_cast<int>(i));
  for (int64_t i = 0; i < rig.options.host_slots; ++i) free_host_.push_back(static_cast<int>(i));
}

RandomCounts RandomPlans::run(int num_plans) {
  for (int i = 0; i < num_plans && counts_.wrong == 0; ++i) step();
  rig_.stream.synchronize();
  compare();
  for (const TransferFailure& failure : rig_.settle()) counts_.failures += failure.page.value() >= 0 ? 1 : 0;
  counts_.transfers = [this] {
    std::array<int64_t, kNumTransferChannels> done{};
    const MoverStats stats = rig_.mover->stats();
    for (size_t i = 0; i < done.size(); ++i) done[i] = stats.channels[i].transfers;
    return done;
  }();
  return counts_;
}

std::optional<std::pair<TransferChannel, uint64_t>> RandomPlans::push(const PageOp& op) {
  ops_.push_back(op);
  const auto channel = channel_of(op);
  if (!channel) return std::nullopt;
  return std::pair(*channel, ++rig_.num_transfers[static_cast<size_t>(*channel)]);
}

bool RandomPlans::has_arrived(const Copy& copy) const {
  return !copy.arrival || copy.arrival->second <= done_through_[static_cast<size_t>(copy.arrival->first)];
}

void RandomPlans::step() {
  take_report();
  ops_.clear();
  given_up_.clear();
  confirms_ = below(3) == 0;
  for (auto& [id, page] : pages_) {
    if (page.device) page.device->is_new = false;
  }
  for (int i = below(8); i > 0; --i) add_op();
  StepPlan plan;
  plan.number = rig_.next_plan++;
  plan.ops = ops_;
  plan.confirms = confirms_;
  rig_.mover->begin(plan);
  compute(plan);
  rig_.mover->end(plan);
  if (confirms_) {
    ++counts_.confirmed;
    for (const PageId failed : rig_.mover->confirm(plan)) {
      ++counts_.failed_confirms;
      std::erase_if(checks_, [&](const Rig::Check& check) { return check.page == failed; });
      invalidate(failed);
    }
    for (auto& [id, page] : pages_) {
      if (page.device && page.device->is_new) page.device->arrival.reset();
    }
  }
  if (below(sync_every_) == 0) {
    rig_.stream.synchronize();
    compare();
  }
}

void RandomPlans::add_op() {
  constexpr size_t kMostPages = 12;  // so that those of the disk alone, where there is room for all, are not all
  if (pages_.empty() || (below(4) == 0 && pages_.size() < kMostPages)) return allocate_page();
  auto at = pages_.begin();
  std::advance(at, below(static_cast<int>(pages_.size())));
  auto& [id, page] = *at;
  switch (below(3)) {
    case 0: return demote(id, page);
    case 1: return promote(id, page);
    default: return give_up(id, page);
  }
}

void RandomPlans::allocate_page() {
  if (free_device_.empty()) {  // a page goes down, and its slot is given away at once
    const auto at = std::find_if(pages_.begin(), pages_.end(),
                                 [](const auto& one) { return one.second.device && !one.second.device->is_new; });
    if (at == pages_.end()) return;
    demote(at->first, at->second);
    give_up_device(at->first, at->second);
    if (!at->second.host && !at->second.disk) pages_.erase(at);
  }
  const int slot = free_device_.back();
  free_device_.pop_back();
  counts_.reused_in_plan += std::count(given_up_.begin(), given_up_.end(), slot);
  const PageId id(next_page_++);
  push(allocate(id, slot));
  pages_[id].device = Copy{slot, std::nullopt, true};
}

void RandomPlans::demote(PageId id, Page& page) {
  if (page.device && !page.device->is_new && !page.host && !free_host_.empty()) {
    const int slot = free_host_.back();
    free_host_.pop_back();
    page.host = Copy{slot, push(to_host(id, page.device->slot, slot)), false};
  } else if (page.host && !page.disk) {
    page.disk = Copy{0, push(to_disk(id, page.host->slot)), false};
  }
}

void RandomPlans::promote(PageId id, Page& page) {
  if (page.host && !page.device && !free_device_.empty()) {
    const int slot = free_device_.back();
    free_device_.pop_back();
    counts_.reused_in_plan += std::count(given_up_.begin(), given_up_.end(), slot);
    page.device = Copy{slot, push(to_device(id, page.host->slot, slot)), true};
  } else if (page.disk && !page.host && !free_host_.empty()) {
    const int slot = free_host_.back();
    free_host_.pop_back();
    page.host = Copy{slot, push(from_disk(id, slot)), false};
  }
}

void RandomPlans::give_up_device(PageId id, Page& page) {
  push(evict(id, page.device->slot));
  given_up_.push_back(page.device->slot);
  free_device_.push_back(page.device->slot);
  page.device.reset();
}

void RandomPlans::give_up(PageId id, Page& page) {
  if (page.device && !page.device->is_new && below(2) == 0) give_up_device(id, page);
  if (page.host && below(2) == 0) {
    push(evict_host(id, page.host->slot));
    free_host_.push_back(page.host->slot);
    page.host.reset();
  }
  if (page.disk && below(4) == 0) {
    push(evict_disk(id));
    page.disk.reset();
  }
  if (!page.device && !page.host && !page.disk) pages_.erase(id);
}

// The page leaves at once, as after a failure: slots are free while transfers may still use them.
void RandomPlans::invalidate(PageId id) {
  const auto at = pages_.find(id);
  if (at == pages_.end()) return;
  const Page& page = at->second;
  if (page.device) free_device_.push_back(page.device->slot);
  if (page.host) free_host_.push_back(page.host->slot);
  pages_.erase(at);
}

void RandomPlans::take_report() {
  const TransferReport report = rig_.mover->take_report();
  for (size_t i = 0; i < kNumTransferChannels; ++i) {
    EXPECT_GE(report.done_through[i], done_through_[i]);
    EXPECT_LE(report.done_through[i], rig_.num_transfers[i]);
  }
  done_through_ = report.done_through;
  for (const TransferFailure& failure : report.failures) {
    ++counts_.failures;
    invalidate(failure.page);
  }
}

void RandomPlans::compute(const StepPlan&) {
  std::vector<std::pair<SlotId, PageId>> writes, reads;
  for (const auto& [id, page] : pages_) {
    if (!page.device) continue;
    const SlotId slot(page.device->slot);
    const bool is_promoted_now = page.device->is_new && page.device->arrival;
    if (page.device->is_new && !page.device->arrival) {
      writes.emplace_back(slot, id);
    } else if (is_promoted_now ? confirms_ : has_arrived(*page.device)) {
      reads.emplace_back(slot, id);
    }
  }
  for (int64_t layer = 0; layer < rig_.options.layout.num_layers; ++layer) {
    rig_.mover->before_layer(layer);
    for (const auto& [slot, id] : writes) rig_.write_layer(slot, id, layer);
    for (const auto& [slot, id] : reads) checks_.push_back(rig_.check_layer(slot, id, layer));
  }
}

void RandomPlans::compare() {
  for (const Rig::Check& check : checks_) {
    ++counts_.checks;
    if (rig_.is_right(check)) continue;
    ++counts_.wrong;
    ADD_FAILURE() << "plan " << rig_.next_plan - 1 << ": page " << check.page.value() << ", layer " << check.layer
                  << " holds other bytes";
    break;
  }
  checks_.clear();
  rig_.sources.clear();
}

}  // namespace lockstep::test
