#include "cache/transfer/transfer_graph.h"

#include "core/error.h"

#include <utility>

namespace lockstep {

bool leaves_disk(const PageOp& op) {
  return (op.kind == PageOpKind::kEvict && op.tier == Tier::kDisk) ||
         (op.kind == PageOpKind::kInvalidate && op.key != Hash128{});
}

TransferGraph::TransferGraph(const Sizes& sizes)
    : sizes_(sizes),
      device_slots_(static_cast<size_t>(sizes.num_device_slots)),
      host_slots_(static_cast<size_t>(sizes.num_host_slots + sizes.num_cold_slots)) {}

SlotUses& TransferGraph::device_slot(SlotId slot) {
  LS_CHECK(slot.value() >= 0 && slot.value() < sizes_.num_device_slots, "device slot {} of {}", slot.value(),
           sizes_.num_device_slots);
  return device_slots_[static_cast<size_t>(slot.value())];
}

SlotUses& TransferGraph::host_slot(SlotId slot) {
  LS_CHECK(slot.value() >= 0 && slot.value() < sizes_.num_host_slots + sizes_.num_cold_slots, "host slot {} of {}",
           slot.value(), host_slots_.size());
  return host_slots_[static_cast<size_t>(slot.value())];
}

SlotUses& TransferGraph::disk_page(const Hash128& key) {
  LS_CHECK(sizes_.has_disk, "a page is to be on disk; this rank has no disk store");
  LS_CHECK(key != Hash128{}, "a page of the disk store without a key");
  return disk_pages_[key];
}

TransferGraph::Ptr TransferGraph::add(const PageOp& op, uint64_t plan, int64_t bytes, int64_t num_pieces,
                                      TransferFaults faults, std::shared_ptr<const Event> computed) {
  auto transfer = std::make_shared<Transfer>();
  transfer->channel = channel_of(op);
  transfer->plan = plan;
  transfer->order = ++last_order_;
  transfer->page = op.page;
  transfer->slot = op.slot;
  transfer->host_slot = op.host_slot;
  transfer->cold_slot = op.cold_slot;
  transfer->key = op.key;
  transfer->bytes = bytes;
  transfer->faults = std::move(faults);
  transfer->computed = std::move(computed);
  transfer->pieces.resize(static_cast<size_t>(num_pieces));
  transfer->pieces_left = num_pieces;

  // Device copies are the first and the last to touch a device slot. In a host slot, checksums are taken behind a copy
  // that writes it and compared before a copy that reads it. Cold slots the device never touches.
  const bool is_cold = op.host_slot.value() >= sizes_.num_host_slots;
  if (transfer->is_transcode()) {
    SlotUses &from = host_slot(op.host_slot), &to = host_slot(op.cold_slot);
    LS_CHECK(from.content(), "page {} is to be transcoded from host slot {}, which nothing was written to",
             op.page.value(), op.host_slot.value());
    read(transfer, from, false, false);
    write(transfer, to, false, false);
  } else if (transfer->is_on(TransferChannel::kToHost)) {
    SlotUses &from = device_slot(op.slot), &to = host_slot(op.host_slot);
    read(transfer, from, true, true);
    write(transfer, to, !is_cold, false);
  } else if (transfer->is_on(TransferChannel::kToDevice)) {
    SlotUses &from = host_slot(op.host_slot), &to = device_slot(op.slot);
    LS_CHECK(from.content(), "page {} is to come from host slot {}, which nothing was written to", op.page.value(),
             op.host_slot.value());
    read(transfer, from, false, !is_cold);
    write(transfer, to, true, true);
  } else if (transfer->is_on(TransferChannel::kToDisk)) {
    SlotUses &from = host_slot(op.host_slot), &to = disk_page(op.key);
    LS_CHECK(from.content(), "page {} is to be stored from host slot {}, which nothing was written to", op.page.value(),
             op.host_slot.value());
    read(transfer, from, false, false);
    write(transfer, to, false, false);
  } else if (transfer->is_on(TransferChannel::kFromDisk)) {
    SlotUses &from = disk_page(op.key), &to = host_slot(op.host_slot);
    read(transfer, from, false, false);
    write(transfer, to, false, false);
  } else {
    LS_CHECK(leaves_disk(op), "an op that moves nothing");
    follow(transfer, disk_page(op.key).add({transfer, true, false}, false));
  }

  if (transfer->channel) transfer->number = ledger(*transfer->channel).open(bytes);
  active_.emplace(transfer->order, transfer);
  if (transfer->num_not_done == 0) start_clock(transfer);
  if (transfer->num_blockers == 0) set_ready(transfer);
  return transfer;
}

void TransferGraph::read(const Ptr& transfer, SlotUses& uses, bool starts_on_device, bool ends_on_device) {
  transfer->source = uses.content();
  follow(transfer, uses.add({transfer, false, ends_on_device}, starts_on_device));
}

void TransferGraph::write(const Ptr& transfer, SlotUses& uses, bool starts_on_device, bool ends_on_device) {
  follow(transfer, uses.add({transfer, true, ends_on_device}, starts_on_device));
}

void TransferGraph::follow(const Ptr& transfer, const std::vector<SlotUses::Conflict>& conflicts) {
  for (const auto& [before, by_copies] : conflicts) {
    const bool on_device = by_copies && sizes_.has_events;
    if (on_device) transfer->behind.push_back(before);
    before->dependents.push_back({transfer, on_device});
    if (!(on_device && before->stage == TransferStage::kEnqueued)) ++transfer->num_blockers;
    if (!before->is_done) ++transfer->num_not_done;
  }
}

std::vector<TransferGraph::Ptr> TransferGraph::give_to_computation(SlotId slot) {
  return device_slot(slot).give_to_computation();
}

TransferGraph::Ptr TransferGraph::content_of_host_slot(SlotId slot) {
  const Ptr& content = host_slot(slot).content();
  LS_CHECK(content, "host slot {} is read, which nothing was written to", slot.value());
  return content;
}

void TransferGraph::set_ready(const Ptr& transfer) {
  if (transfer->stage != TransferStage::kBlocked) return;
  transfer->stage = TransferStage::kReady;
  ready_.push_back(transfer);
}

void TransferGraph::start_clock(const Ptr& transfer) {
  if (transfer->is_done) return;
  transfer->deadline = TransferClock::now() + sizes_.timeout;
  deadlines_.emplace(std::pair(*transfer->deadline, transfer->order), transfer);
}

bool TransferGraph::start(const Ptr& transfer) {
  if (transfer->stage == TransferStage::kReleased) return false;
  if (transfer->stage != TransferStage::kReady) return true;
  if (transfer->source && transfer->source->has_failed) {
    settle(transfer, "the copy it reads failed");
    release(transfer);
    return false;
  }
  transfer->stage = TransferStage::kRunning;
  transfer->begin = TransferClock::now();
  if (transfer->channel) ledger(*transfer->channel).begin_work(transfer->begin);
  return true;
}

void TransferGraph::set_enqueued(const Ptr& transfer) {
  if (!sizes_.has_events) return;
  transfer->stage = TransferStage::kEnqueued;
  for (const auto& [dependent, on_device] : transfer->dependents) {
    if (on_device && --dependent->num_blockers == 0) set_ready(dependent);
  }
}

void TransferGraph::settle(const Ptr& transfer, const std::string& reason) {
  if (transfer->is_done) return;
  transfer->is_done = true;
  transfer->has_failed = !reason.empty();
  transfer->reason = reason;
  if (transfer->deadline) deadlines_.erase({*transfer->deadline, transfer->order});
  for (const auto& [dependent, on_device] : transfer->dependents) {
    if (--dependent->num_not_done == 0) start_clock(dependent);
  }
  if (!transfer->channel) return;
  if (ledger(*transfer->channel).close(*transfer)) ++progress_;
  if (!transfer->has_failed) return;
  ++progress_;
  failures_.push_back({*transfer->channel, transfer->number, transfer->page, reason});
}

void TransferGraph::release(const Ptr& transfer) {
  if (transfer->stage == TransferStage::kReleased) return;
  settle(transfer);
  const bool worked = transfer->stage == TransferStage::kRunning || transfer->stage == TransferStage::kEnqueued;
  const bool was_enqueued = transfer->stage == TransferStage::kEnqueued;
  transfer->stage = TransferStage::kReleased;
  if (worked) {
    transfer->end = TransferClock::now();
    if (transfer->channel) ledger(*transfer->channel).end_work(transfer->end);
  }
  for (const auto& [dependent, on_device] : transfer->dependents) {
    if (on_device && was_enqueued) continue;  // counted then
    if (--dependent->num_blockers == 0) set_ready(dependent);
  }
  transfer->dependents.clear();
  transfer->behind.clear();
  transfer->source = nullptr;
  transfer->computed = nullptr;
  transfer->pieces.clear();
  active_.erase(transfer->order);
  const auto page = disk_pages_.find(transfer->key);
  if (page != disk_pages_.end() && page->second.is_idle()) disk_pages_.erase(page);
}

bool TransferGraph::expire(TransferClock::time_point now) {
  bool has_expired = false;
  while (!deadlines_.empty() && deadlines_.begin()->first.first <= now) {
    const Ptr transfer = deadlines_.begin()->second;
    const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(sizes_.timeout);
    settle(transfer, fmt::format("it took longer than {} ms", limit.count()));
    // What no thread has taken up never will be: it touches no memory.
    if (transfer->stage <= TransferStage::kReady) release(transfer);
    has_expired = true;
  }
  return has_expired;
}

void TransferGraph::cancel_waiting(const std::string& reason) {
  std::vector<Ptr> waiting;
  for (const auto& [order, transfer] : active_) {
    if (transfer->channel && transfer->stage <= TransferStage::kReady) waiting.push_back(transfer);
  }
  for (const Ptr& transfer : waiting) {
    settle(transfer, reason);
    release(transfer);
  }
  std::erase_if(ready_, [](const Ptr& transfer) { return transfer->stage == TransferStage::kReleased; });
}

TransferReport TransferGraph::take_report() {
  TransferReport report;
  for (size_t i = 0; i < kNumTransferChannels; ++i) report.done_through[i] = ledgers_[i].done_through();
  report.failures = std::exchange(failures_, {});
  return report;
}

std::array<ChannelStats, kNumTransferChannels> TransferGraph::stats() const {
  std::array<ChannelStats, kNumTransferChannels> stats;
  const TransferClock::time_point now = TransferClock::now();
  for (size_t i = 0; i < kNumTransferChannels; ++i) stats[i] = ledgers_[i].stats(now);
  return stats;
}

}  // namespace lockstep
