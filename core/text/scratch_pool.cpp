#include "core/text/scratch_pool.h"

namespace lockstep {

ScratchPool::Lease ScratchPool::borrow() {
  {
    const std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      std::unique_ptr<BpeScratch> scratch = std::move(free_.back());
      free_.pop_back();
      return Lease(*this, std::move(scratch));
    }
  }
  return Lease(*this, std::make_unique<BpeScratch>());
}

void ScratchPool::give_back(std::unique_ptr<BpeScratch> scratch) noexcept {
  // One huge word must not hold on to its memory for ever.
  constexpr std::size_t kKeptSymbols = 1 << 16;
  if (scratch->symbols.capacity() > kKeptSymbols || scratch->queue.capacity() > kKeptSymbols) {
    scratch->symbols = {};
    scratch->queue = {};
  }
  const std::lock_guard lock(mutex_);
  try {
    free_.push_back(std::move(scratch));
  } catch (const std::bad_alloc&) {  // then it is gone, and the next call makes another
  }
}

}  // namespace lockstep
