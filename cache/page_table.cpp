#include "cache/page_table.h"

#include "core/error.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace lockstep {
namespace {

constexpr size_t kOpsRemembered = 32;

std::string_view name_of(PageOpKind kind) {
  static constexpr std::array<std::string_view, 7> kNames = {"ALLOCATE", "SEAL",      "EVICT",     "DEMOTE",
                                                             "PROMOTE",  "TRANSCODE", "INVALIDATE"};
  return kNames[static_cast<size_t>(kind)];
}

std::string_view name_of(Tier tier) {
  static constexpr std::array<std::string_view, kNumTiers> kNames = {"device", "host", "disk"};
  return kNames[static_cast<size_t>(tier)];
}

std::string describe(const PageOp& op) {
  return fmt::format("{} {} of page {} in slot {}, host slot {}, open slot {}{}", name_of(op.kind), name_of(op.tier),
                     op.page.value(), op.slot.value(), op.host_slot.value(), op.open_slot.value(),
                     op.cold_slot.value() < 0 ? "" : fmt::format(", cold slot {}", op.cold_slot.value()));
}

}  // namespace

PageTable::PageTable(int64_t num_slots, int64_t num_host_slots, int64_t num_open_slots, int64_t num_cold_slots)
    : device_(num_slots), host_(num_host_slots + num_cold_slots), open_(num_open_slots), first_cold_(num_host_slots) {
  LS_CHECK(num_slots > 0, "a page table of {} slots", num_slots);
}

void PageTable::apply(const StepPlan& plan, std::optional<size_t> left_out) {
  LS_CHECK(plan.number == next_number_, "plan {} arrived where plan {} was due", plan.number, next_number_);
  LS_CHECK(plan.digest_before == digest_,
           "plan {} assumes the cache state {}, this rank's is {}: the ranks' caches have parted; {}", plan.number,
           plan.digest_before.to_string(), digest_.to_string(), last_ops());
  for (size_t i = 0; i < plan.ops.size(); ++i) {
    const PageOp& op = plan.ops[i];
    published_.add(op);
    if (left_out == i) continue;
    try {
      apply(op);
    } catch (const Error& error) {
      LS_THROW(Error, "plan {}: {}: {} (digest before the plan {}, before the op {}; {})", plan.number, describe(op),
               error.what(), plan.digest_before.to_string(), digest_.to_string(), last_ops());
    }
    digest_ = digest_after(digest_, op);
    applied_.add(op);
  }
  ++next_number_;
}

void PageTable::apply(const PageOp& op) {
  const auto at = entries_.find(op.page);
  Entry* const entry = at == entries_.end() ? nullptr : &at->second;
  switch (op.kind) {
    case PageOpKind::kAllocate:
      LS_CHECK(entry == nullptr, "the page is there already");
      fill(device_, op.slot, op.page);
      if (op.open_slot.value() >= 0) fill(open_, op.open_slot, op.page);
      entries_.emplace(op.page, Entry{op.slot, SlotId(-1), op.open_slot, false});
      return;
    case PageOpKind::kSeal:
      LS_CHECK(entry != nullptr && entry->slot.value() >= 0, "the page is not on the device");
      LS_CHECK(entry->slot == op.slot, "the page is in slot {}", entry->slot.value());
      LS_CHECK(!entry->sealed, "the page is sealed already");
      entry->sealed = true;
      return close(*entry);
    case PageOpKind::kEvict:
      if (op.tier == Tier::kDisk) return;  // by its key: the store's business
      LS_CHECK(entry != nullptr, "the page is not there");
      return leave(op, *entry);
    case PageOpKind::kDemote: LS_CHECK(entry != nullptr, "the page is not there"); return demote(op, *entry);
    case PageOpKind::kPromote: return promote(op, entry);
    case PageOpKind::kInvalidate: return invalidate(op);
    case PageOpKind::kTranscode: LS_CHECK(entry != nullptr, "the page is not there"); return transcode(op, *entry);
  }
  LS_THROW(Error, "no op of this cache");
}

void PageTable::demote(const PageOp& op, Entry& entry) {
  LS_CHECK(entry.sealed, "the page is not sealed");
  if (op.tier == Tier::kDisk) {
    LS_CHECK(entry.host_slot == op.host_slot, "the page is in host slot {}", entry.host_slot.value());
    LS_CHECK(op.host_slot.value() < first_cold_, "a page of the cold format is to be stored");
    return;
  }
  LS_CHECK(op.tier == Tier::kHost, "a page is demoted to the host or the disk");
  LS_CHECK(entry.slot == op.slot, "the page is in slot {}", entry.slot.value());
  LS_CHECK(entry.host_slot.value() < 0, "the page is in host slot {} already", entry.host_slot.value());
  fill(host_, op.host_slot, op.page);
  entry.host_slot = op.host_slot;
}

void PageTable::promote(const PageOp& op, Entry* entry) {
  if (op.tier == Tier::kHost) {  // pages of the disk store may be unknown: their ids are new
    LS_CHECK(entry == nullptr || entry->host_slot.value() < 0, "the page is in a host slot already");
    LS_CHECK(op.host_slot.value() < first_cold_, "what the disk store has does not go into a cold slot");
    fill(host_, op.host_slot, op.page);
    Entry& here = entries_[op.page];
    here.host_slot = op.host_slot;
    here.sealed = true;
    return;
  }
  LS_CHECK(op.tier == Tier::kDevice, "a page is promoted to the host or the device");
  LS_CHECK(entry != nullptr && entry->host_slot == op.host_slot, "the page is not in that host slot");
  LS_CHECK(entry->slot.value() < 0, "the page is in slot {} already", entry->slot.value());
  fill(device_, op.slot, op.page);
  entry->slot = op.slot;
}

void PageTable::transcode(const PageOp& op, Entry& entry) {
  LS_CHECK(entry.sealed, "the page is not sealed");
  LS_CHECK(entry.host_slot == op.host_slot && op.host_slot.value() >= 0, "the page is in host slot {}",
           entry.host_slot.value());
  LS_CHECK(op.host_slot.value() < first_cold_ && op.cold_slot.value() >= first_cold_,
           "cold slots are those from {} on: a page goes there from one before", first_cold_);
  fill(host_, op.cold_slot, op.page);
  free(host_, op.host_slot);
  entry.host_slot = op.cold_slot;
}

void PageTable::leave(const PageOp& op, Entry& entry) {
  const bool is_device = op.tier == Tier::kDevice;
  SlotId& held = is_device ? entry.slot : entry.host_slot;
  const SlotId freed = is_device ? op.slot : op.host_slot;
  LS_CHECK(held == freed, "the page is in slot {} of that tier", held.value());
  LS_CHECK(!is_device || op.host_slot.value() < 0 || op.host_slot == entry.host_slot,
           "the page is to be read in a host slot, and is in host slot {}", entry.host_slot.value());
  free(is_device ? device_ : host_, freed);
  if (is_device) close(entry);
  held = SlotId(-1);
  forget_if_gone(op.page);
}

void PageTable::invalidate(const PageOp& op) {
  const auto at = entries_.find(op.page);
  Entry entry = at == entries_.end() ? Entry{} : at->second;
  LS_CHECK(entry.slot == op.slot && entry.host_slot == op.host_slot, "the page is in slot {} and host slot {}",
           entry.slot.value(), entry.host_slot.value());
  if (entry.slot.value() >= 0) free(device_, entry.slot);
  if (entry.host_slot.value() >= 0) free(host_, entry.host_slot);
  close(entry);
  entries_.erase(op.page);
}

void PageTable::close(Entry& entry) {
  if (entry.open_slot.value() >= 0) free(open_, entry.open_slot);
  entry.open_slot = SlotId(-1);
}

void PageTable::fill(Slots& slots, SlotId slot, PageId page) {
  const auto count = static_cast<int64_t>(slots.holders.size());
  LS_CHECK(slot.value() >= 0 && slot.value() < count, "slots are 0 to {}", count - 1);
  PageId& holder = slots.holders[static_cast<size_t>(slot.value())];
  LS_CHECK(holder.value() < 0, "the slot is in use by page {}", holder.value());
  holder = page;
  ++slots.num_used;
}

void PageTable::free(Slots& slots, SlotId slot) {
  const auto count = static_cast<int64_t>(slots.holders.size());
  LS_CHECK(slot.value() >= 0 && slot.value() < count, "slots are 0 to {}", count - 1);
  slots.holders[static_cast<size_t>(slot.value())] = PageId(-1);
  --slots.num_used;
}

void PageTable::forget_if_gone(PageId page) {
  const auto at = entries_.find(page);
  if (at->second.slot.value() < 0 && at->second.host_slot.value() < 0) entries_.erase(at);
}

void PageTable::Log::add(const PageOp& op) {
  if (ring.size() < kOpsRemembered) {
    ring.push_back(op);
  } else {
    ring[count % kOpsRemembered] = op;
  }
  ++count;
}

std::string PageTable::Log::text() const {
  std::string text;
  for (size_t i = count - std::min(count, ring.size()); i < count; ++i) {
    text += (text.empty() ? "" : "; ") + describe(ring[i % kOpsRemembered]);
  }
  return text.empty() ? "none" : text;
}

std::string PageTable::last_ops() const {
  return fmt::format("last ops published: {}; last ops here: {}", published_.text(), applied_.text());
}

const PageTable::Entry& PageTable::readable(PageId page) const {
  const auto at = entries_.find(page);
  const bool is_there = at != entries_.end() && (at->second.slot.value() >= 0 || at->second.host_slot.value() >= 0);
  LS_CHECK(is_there, "page {} is neither on the device nor on the host", page.value());
  return at->second;
}

SlotId PageTable::slot_of(PageId page) const {
  const Entry& entry = readable(page);
  if (entry.slot.value() >= 0) return entry.slot;
  return SlotId(static_cast<int32_t>(num_slots() + entry.host_slot.value()));
}

SlotId PageTable::open_slot_of(PageId page) const { return readable(page).open_slot; }

bool PageTable::is_sealed(PageId page) const {
  const auto at = entries_.find(page);
  LS_CHECK(at != entries_.end(), "page {} is not there", page.value());
  return at->second.sealed;
}

uint64_t PageTable::next_plan_number() const { return next_number_; }
Hash128 PageTable::digest() const { return digest_; }

}  // namespace lockstep
