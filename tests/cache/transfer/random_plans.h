// Random plans for a mover: a planner without purpose that gives slots away as soon as a plan may, in the same plan
// even, and checks that no computation ever sees a wrong byte.
#pragma once

#include "tests/cache/transfer/mover_rig.h"

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <utility>
#include <vector>

namespace lockstep::test {

/// What happened, so that a test can ask that everything did.
struct RandomCounts {
  std::array<int64_t, kNumTransferChannels> transfers{};
  int64_t checks = 0, wrong = 0, confirmed = 0, failed_confirms = 0, failures = 0;
  int64_t reused_in_plan = 0;  // device slots that were given up and given away by one plan
};

class RandomPlans {
 public:
  /// `sync_every`: on average, plans between two synchronisations of the computation's stream.
  RandomPlans(Rig& rig, uint64_t seed, int sync_every);
  RandomCounts run(int num_plans);

 private:
  struct Copy {
    int slot = 0;
    std::optional<std::pair<TransferChannel, uint64_t>> arrival;  // not there before
    bool is_new = false;                                          // this plan makes it
  };
  struct Page {
    std::optional<Copy> device, host, disk;
  };
  using Pages = std::map<PageId, Page>;

  int below(int count) { return static_cast<int>(random_() % static_cast<uint64_t>(count)); }
  void step();
  void add_op();
  void demote(PageId id, Page& page);
  void promote(PageId id, Page& page);
  void give_up(PageId id, Page& page);
  void give_up_device(PageId id, Page& page);
  void allocate_page();
  void invalidate(PageId id);
  std::optional<std::pair<TransferChannel, uint64_t>> push(const PageOp& op);
  bool has_arrived(const Copy& copy) const;
  void compute(const StepPlan& plan);
  void take_report();
  void compare();

  Rig& rig_;
  std::mt19937_64 random_;
  const int sync_every_;
  RandomCounts counts_;
  Pages pages_;
  std::vector<int> free_device_, free_host_;  // the last one is given away next
  int64_t next_page_ = 0;
  std::vector<PageOp> ops_;
  bool confirms_ = false;
  std::vector<int> given_up_;  // device slots, by this plan
  std::array<uint64_t, kNumTransferChannels> done_through_{};
  std::vector<Rig::Check> checks_;
};

}  // namespace lockstep::test
