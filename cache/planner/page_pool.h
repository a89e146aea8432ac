// The leader's books of slots on device and host: which are free, which ids were given, and every change as a PageOp.
//
// Slots are symmetric: slot s means the same place in every rank's pool, so one book serves all ranks. The host's cold
// slots, for pages in the cold format, are numbered behind its others. Ops are kept in
// the order of the calls until a plan takes them; the digest runs over what plans took, as a rank's PageTable does.
// Not thread-safe.
#pragma once

#include "cache/planner/slot_list.h"
#include "cache/step_plan.h"

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace lockstep {

/// A page and the slot of the device it lies in; slot -1: in none. open_slot: where it is written before it is sealed;
/// -1: in its slot, or it is sealed.
struct PlacedPage {
  PageId page;
  SlotId slot;
  SlotId open_slot{-1};
};

class PagePool {
 public:
  explicit PagePool(int64_t num_slots, int64_t num_host_slots = 0, int64_t num_open_slots = 0,
                    int64_t num_cold_slots = 0)
      : device_(num_slots), host_(num_host_slots), cold_(num_cold_slots), open_(num_open_slots) {}

  /// A new page in a free slot (kAllocate), and with `opens` in an open slot too; nothing when one is not free.
  std::optional<PlacedPage> allocate(bool opens = false);
  PageId new_page() { return PageId(next_page_++); }
  /// The page is full and written (kSeal); its open slot is free.
  void seal(PlacedPage& page);
  /// The page leaves the device (kEvict). `is_read`: a transfer under way reads the slot.
  void evict(const PlacedPage& page, bool is_read = false);

  /// The page leaves the device, and is read in its host slot from here on (kEvict with a host slot).
  void offload(const PlacedPage& page, SlotId host_slot);

  // Copies between tiers. The number is the transfer's on its channel.
  /// Device to host; nothing when no host slot is free.
  struct Copy {
    SlotId slot;  // where it goes
    uint64_t number;
  };
  std::optional<Copy> demote(const PlacedPage& page);
  /// Device to a cold slot of the host; nothing when none is free.
  std::optional<Copy> demote_cold(const PlacedPage& page);
  /// From a host slot, which is free then, to a cold one; nothing when none is free.
  std::optional<Copy> transcode(PageId page, SlotId host_slot);
  /// Host, a cold slot perhaps, to device; nothing when no device slot is free.
  std::optional<Copy> promote(PageId page, SlotId host_slot);
  /// Host to disk.
  uint64_t store(PageId page, SlotId host_slot, const Hash128& key);
  /// Disk to host; nothing when no host slot is free.
  std::optional<Copy> fetch(PageId page, const Hash128& key);
  /// The page leaves the host. `is_read`: a transfer under way reads the slot.
  void evict_host(PageId page, SlotId host_slot, bool is_read);
  void evict_disk(PageId page, const Hash128& key);
  /// The page is void (kInvalidate); its slots, -1 for none, are free.
  void invalidate(const PlacedPage& page, SlotId host_slot, const Hash128& key);

  /// Ops since the last call, in order; extends digest() by them.
  std::vector<PageOp> take_ops();
  /// Digest over all ops that were taken.
  const Hash128& digest() const { return digest_; }

  int64_t num_slots() const { return device_.num_slots(); }
  int64_t num_free() const { return device_.num_free(); }
  int64_t num_used() const { return device_.num_used(); }
  /// Slots of the canonical format.
  const SlotList& host() const { return host_; }
  const SlotList& cold() const { return cold_; }
  bool is_cold(SlotId host_slot) const { return host_slot.value() >= host_.num_slots(); }
  const SlotList& open() const { return open_; }

 private:
  uint64_t next_transfer(TransferChannel channel) { return ++transfers_[static_cast<size_t>(channel)]; }

  void close(const PlacedPage& page);
  Copy demote_to(const PlacedPage& page, SlotId host_slot);
  std::optional<SlotId> take_cold();
  void give_back_host(SlotId slot, bool is_read);

  SlotList device_, host_, cold_, open_;
  int64_t next_page_ = 0;
  std::array<uint64_t, kNumTransferChannels> transfers_{};
  std::vector<PageOp> ops_;
  Hash128 digest_;
};

}  // namespace lockstep
