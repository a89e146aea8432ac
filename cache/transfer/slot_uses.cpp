#include "cache/transfer/slot_uses.h"

namespace lockstep {

void SlotUses::prune() {
  std::erase_if(uses_, [](const Use& use) { return use.transfer->stage == TransferStage::kReleased; });
}

std::vector<SlotUses::Conflict> SlotUses::add(const Use& use, bool starts_on_device) {
  prune();
  std::vector<Conflict> conflicts;
  for (const Use& earlier : uses_) {
    if (!use.writes && !earlier.writes) continue;
    conflicts.push_back({earlier.transfer, earlier.ends_on_device && starts_on_device});
  }
  uses_.push_back(use);
  if (use.writes) content_ = use.transfer;
  return conflicts;
}

std::vector<SlotUses::Ptr> SlotUses::give_to_computation() {
  prune();
  content_ = nullptr;
  std::vector<Ptr> users;
  for (const Use& use : uses_) users.push_back(use.transfer);
  return users;
}

bool SlotUses::is_idle() {
  prune();
  return uses_.empty();
}

}  // namespace lockstep
