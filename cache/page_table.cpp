#include "cache/page_table.h"

#include "core/error.h"

#include <array>
#include <string_view>

namespace lockstep {
namespace {

std::string_view name_of(PageOpKind kind) {
  static constexpr std::array<std::string_view, 7> kNames = {"ALLOCATE", "SEAL",      "EVICT",     "DEMOTE",
                                                             "PROMOTE",  "TRANSCODE", "INVALIDATE"};
  return kNames[static_cast<size_t>(kind)];
}

std::string describe(const PageOp& op) {
  return fmt::format("{} of page {} in slot {}", name_of(op.kind), op.page.value(), op.slot.value());
}

}  // namespace

PageTable::PageTable(int64_t num_slots) : slot_used_(static_cast<size_t>(num_slots), false) {
  LS_CHECK(num_slots > 0, "a page table of {} slots", num_slots);
}

void PageTable::apply(const StepPlan& plan) {
  LS_CHECK(plan.number == next_number_, "plan {} arrived where plan {} was due", plan.number, next_number_);
  LS_CHECK(plan.digest_before == digest_,
           "plan {} assumes the cache state {}, this rank's is {}: the ranks' caches have parted", plan.number,
           plan.digest_before.to_string(), digest_.to_string());
  for (const PageOp& op : plan.ops) {
    try {
      apply(op);
    } catch (const Error& error) {
      LS_THROW(Error, "plan {}: {}: {} (digest before the plan {}, before the op {})", plan.number, describe(op),
               error.what(), plan.digest_before.to_string(), digest_.to_string());
    }
    digest_ = digest_after(digest_, op);
  }
  ++next_number_;
}

void PageTable::apply(const PageOp& op) {
  const int64_t slot = op.slot.value();
  LS_CHECK(slot >= 0 && slot < num_slots(), "slots are 0 to {}", num_slots() - 1);
  const auto at = entries_.find(op.page);
  if (op.kind == PageOpKind::kAllocate) {
    LS_CHECK(at == entries_.end(), "the page is already in slot {}", at->second.slot.value());
    LS_CHECK(!slot_used_[static_cast<size_t>(slot)], "the slot is in use");
    entries_.emplace(op.page, Entry{op.slot, false});
    slot_used_[static_cast<size_t>(slot)] = true;
    ++num_used_;
    return;
  }
  LS_CHECK(op.kind == PageOpKind::kSeal || op.kind == PageOpKind::kEvict, "no op of a cache with device pages alone");
  LS_CHECK(at != entries_.end(), "the page is not on the device");
  LS_CHECK(at->second.slot == op.slot, "the page is in slot {}", at->second.slot.value());
  if (op.kind == PageOpKind::kSeal) {
    LS_CHECK(!at->second.sealed, "the page is sealed already");
    at->second.sealed = true;
  } else {
    entries_.erase(at);
    slot_used_[static_cast<size_t>(slot)] = false;
    --num_used_;
  }
}

SlotId PageTable::slot_of(PageId page) const {
  const auto at = entries_.find(page);
  LS_CHECK(at != entries_.end(), "page {} is not on the device", page.value());
  return at->second.slot;
}

bool PageTable::is_sealed(PageId page) const {
  const auto at = entries_.find(page);
  LS_CHECK(at != entries_.end(), "page {} is not on the device", page.value());
  return at->second.sealed;
}

int64_t PageTable::num_slots() const { return static_cast<int64_t>(slot_used_.size()); }
int64_t PageTable::num_used() const { return num_used_; }
uint64_t PageTable::next_plan_number() const { return next_number_; }
Hash128 PageTable::digest() const { return digest_; }

}  // namespace lockstep
