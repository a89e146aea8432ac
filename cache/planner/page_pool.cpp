#include "cache/planner/page_pool.h"

#include <utility>

namespace lockstep {

std::optional<PlacedPage> PagePool::allocate(bool opens) {
  if (opens && open_.num_free() == 0) return std::nullopt;
  const std::optional<SlotId> slot = device_.take();
  if (!slot) return std::nullopt;
  const PlacedPage page{new_page(), *slot, opens ? *open_.take() : SlotId(-1)};
  PageOp& op = ops_.emplace_back();
  op.page = page.page;
  op.slot = page.slot;
  op.open_slot = page.open_slot;
  return page;
}

void PagePool::seal(PlacedPage& page) {
  close(page);
  page.open_slot = SlotId(-1);
  ops_.push_back({PageOpKind::kSeal, page.page, page.slot});
}

void PagePool::close(const PlacedPage& page) {
  if (page.open_slot.value() >= 0) open_.give_back(page.open_slot);
}

void PagePool::evict(const PlacedPage& page, bool is_read) {
  close(page);
  is_read ? device_.give_back_busy(page.slot) : device_.give_back(page.slot);
  ops_.push_back({PageOpKind::kEvict, page.page, page.slot});
}

void PagePool::offload(const PlacedPage& page, SlotId host_slot) {
  device_.give_back_busy(page.slot);
  ops_.push_back({PageOpKind::kEvict, page.page, page.slot, Tier::kDevice, host_slot});
}

std::optional<PagePool::Copy> PagePool::demote(const PlacedPage& page) {
  const std::optional<SlotId> host_slot = host_.take();
  if (!host_slot) return std::nullopt;
  return demote_to(page, *host_slot);
}

std::optional<PagePool::Copy> PagePool::demote_cold(const PlacedPage& page) {
  const std::optional<SlotId> slot = take_cold();
  if (!slot) return std::nullopt;
  return demote_to(page, *slot);
}

PagePool::Copy PagePool::demote_to(const PlacedPage& page, SlotId host_slot) {
  ops_.push_back({PageOpKind::kDemote, page.page, page.slot, Tier::kHost, host_slot});
  return Copy{host_slot, next_transfer(TransferChannel::kToHost)};
}

std::optional<PagePool::Copy> PagePool::transcode(PageId page, SlotId host_slot) {
  const std::optional<SlotId> slot = take_cold();
  if (!slot) return std::nullopt;
  host_.give_back_busy(host_slot);
  ops_.push_back({PageOpKind::kTranscode, page, SlotId(-1), Tier::kHost, host_slot, {}, SlotId(-1), *slot});
  return Copy{*slot, next_transfer(TransferChannel::kToHost)};
}

std::optional<SlotId> PagePool::take_cold() {
  const std::optional<SlotId> slot = cold_.take();
  if (!slot) return std::nullopt;
  return SlotId(static_cast<int32_t>(host_.num_slots() + slot->value()));
}

void PagePool::give_back_host(SlotId slot, bool is_read) {
  SlotList& list = is_cold(slot) ? cold_ : host_;
  const SlotId own = is_cold(slot) ? SlotId(static_cast<int32_t>(slot.value() - host_.num_slots())) : slot;
  is_read ? list.give_back_busy(own) : list.give_back(own);
}

std::optional<PagePool::Copy> PagePool::promote(PageId page, SlotId host_slot) {
  const std::optional<SlotId> slot = device_.take();
  if (!slot) return std::nullopt;
  ops_.push_back({PageOpKind::kPromote, page, *slot, Tier::kDevice, host_slot});
  return Copy{*slot, next_transfer(TransferChannel::kToDevice)};
}

uint64_t PagePool::store(PageId page, SlotId host_slot, const Hash128& key) {
  ops_.push_back({PageOpKind::kDemote, page, SlotId(-1), Tier::kDisk, host_slot, key});
  return next_transfer(TransferChannel::kToDisk);
}

std::optional<PagePool::Copy> PagePool::fetch(PageId page, const Hash128& key) {
  const std::optional<SlotId> host_slot = host_.take();
  if (!host_slot) return std::nullopt;
  ops_.push_back({PageOpKind::kPromote, page, SlotId(-1), Tier::kHost, *host_slot, key});
  return Copy{*host_slot, next_transfer(TransferChannel::kFromDisk)};
}

void PagePool::evict_host(PageId page, SlotId host_slot, bool is_read) {
  give_back_host(host_slot, is_read);
  ops_.push_back({PageOpKind::kEvict, page, SlotId(-1), Tier::kHost, host_slot});
}

void PagePool::evict_disk(PageId page, const Hash128& key) {
  ops_.push_back({PageOpKind::kEvict, page, SlotId(-1), Tier::kDisk, SlotId(-1), key});
}

void PagePool::invalidate(const PlacedPage& page, SlotId host_slot, const Hash128& key) {
  if (page.slot.value() >= 0) device_.give_back_busy(page.slot);
  if (host_slot.value() >= 0) give_back_host(host_slot, /*is_read=*/true);
  ops_.push_back({PageOpKind::kInvalidate, page.page, page.slot, Tier::kDevice, host_slot, key});
}

std::vector<PageOp> PagePool::take_ops() {
  for (const PageOp& op : ops_) digest_ = digest_after(digest_, op);
  return std::exchange(ops_, {});
}

}  // namespace lockstep
