// Who still reads or writes one slot (or one key of the disk store), and who wrote what lies in it.
// Private to cache/transfer/; guarded by the mover's mutex.
#pragma once

#include "cache/transfer/transfer.h"

#include <memory>
#include <vector>

namespace lockstep {

class SlotUses {
 public:
  using Ptr = std::shared_ptr<Transfer>;

  struct Use {
    Ptr transfer;
    bool writes;
    bool ends_on_device;  // its last access is a device copy: an event tells its end
  };
  /// What a new use has to follow.
  struct Conflict {
    Ptr before;
    bool on_device;  // it suffices that its stream waits for the other's events
  };

  /// Uses in progress that `use` must follow: for a reader those that write, for a writer all. `starts_on_device`: its
  /// first access is a device copy.
  std::vector<Conflict> add(const Use& use, bool starts_on_device);
  /// The transfer that wrote what a reader finds; null if a computation did, or nobody.
  const Ptr& content() const { return content_; }
  /// A computation writes here from now on. Returns the transfers that it has to follow.
  std::vector<Ptr> give_to_computation();
  /// No transfer uses it any more.
  bool is_idle();

 private:
  void prune();

  std::vector<Use> uses_;
  Ptr content_;
};

}  // namespace lockstep
