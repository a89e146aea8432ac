#include "cache/planner/page_pool.h"

#include <utility>

namespace lockstep {

PagePool::PagePool(int64_t num_slots) : num_slots_(num_slots) {}

std::optional<PlacedPage> PagePool::allocate() {
  PlacedPage page;
  if (!freed_.empty()) {
    page.slot = freed_.back();
    freed_.pop_back();
  } else if (num_touched_ < num_slots_) {
    page.slot = SlotId(static_cast<int32_t>(num_touched_++));
  } else {
    return std::nullopt;
  }
  page.page = PageId(next_page_++);
  ops_.push_back({PageOpKind::kAllocate, page.page, page.slot});
  return page;
}

void PagePool::seal(const PlacedPage& page) { ops_.push_back({PageOpKind::kSeal, page.page, page.slot}); }

void PagePool::evict(const PlacedPage& page) {
  freed_.push_back(page.slot);
  ops_.push_back({PageOpKind::kEvict, page.page, page.slot});
}

std::vector<PageOp> PagePool::take_ops() {
  for (const PageOp& op : ops_) digest_ = digest_after(digest_, op);
  return std::exchange(ops_, {});
}

}  // namespace lockstep
