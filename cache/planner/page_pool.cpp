#include "cache/planner/page_pool.h"

#include <utility>

namespace lockstep {

std::optional<PlacedPage> PagePool::allocate() {
  const std::optional<SlotId> slot = device_.take();
  if (!slot) return std::nullopt;
  const PlacedPage page{new_page(), *slot};
  ops_.push_back({PageOpKind::kAllocate, page.page, page.slot});
  return page;
}

void PagePool::seal(const PlacedPage& page) { ops_.push_back({PageOpKind::kSeal, page.page, page.slot}); }

void PagePool::evict(const PlacedPage& page, bool is_read) {
  is_read ? device_.give_back_busy(page.slot) : device_.give_back(page.slot);
  ops_.push_back({PageOpKind::kEvict, page.page, page.slot});
}

std::optional<PagePool::Copy> PagePool::demote(const PlacedPage& page) {
  const std::optional<SlotId> host_slot = host_.take();
  if (!host_slot) return std::nullopt;
  ops_.push_back({PageOpKind::kDemote, page.page, page.slot, Tier::kHost, *host_slot});
  return Copy{*host_slot, next_transfer(TransferChannel::kToHost)};
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
  is_read ? host_.give_back_busy(host_slot) : host_.give_back(host_slot);
  ops_.push_back({PageOpKind::kEvict, page, SlotId(-1), Tier::kHost, host_slot});
}

void PagePool::evict_disk(PageId page, const Hash128& key) {
  ops_.push_back({PageOpKind::kEvict, page, SlotId(-1), Tier::kDisk, SlotId(-1), key});
}

void PagePool::invalidate(const PlacedPage& page, SlotId host_slot, const Hash128& key) {
  if (page.slot.value() >= 0) device_.give_back_busy(page.slot);
  if (host_slot.value() >= 0) host_.give_back_busy(host_slot);
  ops_.push_back({PageOpKind::kInvalidate, page.page, page.slot, Tier::kDevice, host_slot, key});
}

std::vector<PageOp> PagePool::take_ops() {
  for (const PageOp& op : ops_) digest_ = digest_after(digest_, op);
  return std::exchange(ops_, {});
}

}  // namespace lockstep
