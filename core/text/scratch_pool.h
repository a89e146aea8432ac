// Lends each encoding call the memory it works in, and keeps it afterwards: word caches stay warm between calls.
// Thread-safe. As many as there were calls at one time are kept.
#pragma once

#include "core/text/bpe_model.h"

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace lockstep {

class ScratchPool {
 public:
  /// A scratch that returns to the pool when it goes. The pool outlives it.
  class Lease {
   public:
    Lease(ScratchPool& pool, std::unique_ptr<BpeScratch> scratch) : pool_(pool), scratch_(std::move(scratch)) {}
    ~Lease() { pool_.give_back(std::move(scratch_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    BpeScratch& operator*() const { return *scratch_; }

   private:
    ScratchPool& pool_;
    std::unique_ptr<BpeScratch> scratch_;
  };

  Lease borrow();

 private:
  void give_back(std::unique_ptr<BpeScratch> scratch) noexcept;

  std::mutex mutex_;
  std::vector<std::unique_ptr<BpeScratch>> free_;
};

}  // namespace lockstep
