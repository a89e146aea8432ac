// Carries out the page ops of plans on a rank: copies pages between device, host and disk beside the computation.
// Called by the engine's step: begin, (the forward pass with before_layer), end, confirm.
//
// What holds, whatever the transfers' timing: a transfer reads what the ops and computations before it left, and
// nothing that comes later touches a slot before it is through. Plans may give a slot away at once, in the same plan
// even.
// - A transfer that touches a device slot starts behind the computation of all earlier plans.
// - A computation waits for transfers that still use a slot which its plan allocates, for copies to host slots that
// rows
//   read from its plan on (an EVICT with a host slot), and, layer by layer, for what its plan promotes if the plan
//   `confirms`. It waits for nothing else.
// - With `reads_host`, a transfer that writes a host slot starts behind the computation of all earlier plans, too, and
// a
//   copy to the host is compared with its checksums once it is there.
// - Copies to the host get a CRC32C for every (KV head, layer); copies from it are compared with these.
// - Copies into and out of cold slots change the format on their way, in the workers' hands: on CUDA between a staging
//   page of pinned memory and the slot, so that what the device copies is of its own format.
// - A transfer that fails (copy, checksum, disk, time-out) fails alone; what reads its result fails too. Nothing is
//   repaired here: the planner is told, and invalidates.
//
// CPU ranks copy on `workers` threads. CUDA ranks copy on a stream for each direction; the workers take and compare
// checksums. The disk has a thread of its own. The caller's thread never waits for the device, but where a computation
// needs a transfer that no thread could enqueue yet (its host slot is still in use), in confirm(), with a full queue,
// and in the destructor; all of it is counted as stall.
// Thread-safety: the rank's step thread calls everything.
// Source: layer by layer as in Gao et al., "Cost-efficient large language model serving for multi-turn conversations
// with CachedAttention", USENIX ATC 2024, section 3.2.
#pragma once

#include "cache/device_pool.h"
#include "cache/transfer/fault_plan.h"
#include "cache/transfer/host_pool.h"
#include "cache/transfer/mover_report.h"
#include "cache/transfer/page_file.h"
#include "kernels/context.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

namespace lockstep {

struct MoverOptions {
  int64_t workers = 2;
  /// Bytes of transfers that are not done, for each channel; one transfer is always let in.
  int64_t max_in_flight = int64_t{1} << 30;
  /// Of a transfer, from when all that it follows is done. On CUDA the computation before it counts.
  std::chrono::milliseconds timeout{30'000};
  /// Least bytes of a copy to the device, where a page has as many: small copies are slow, large ones arrive late.
  int64_t piece_bytes = int64_t{256} << 10;
  /// Most pages of one batch of the disk store.
  int64_t disk_batch_pages = 32;
  /// Computations read pages in host slots.
  bool reads_host = false;
  FaultPlan faults{};
};

class PageMover {
 public:
  /// Views: context, pools and file outlive it. `host` null: plans have no ops of host and disk; `file` null: none of
  /// the disk. Throws: ConfigError for options out of range; Error for pools of different layouts.
  PageMover(const OpContext& context, DevicePool& device, HostPool* host, PageFile* file, MoverOptions options = {});
  /// Fails what has not been taken up, and waits for the rest: who wants pages on disk waits for their transfers first.
  ~PageMover();
  PageMover(const PageMover&) = delete;
  PageMover& operator=(const PageMover&) = delete;

  /// Starts the plan's transfers and makes its computation wait for what has to leave its slots. Plans come in their
  /// order, each after end() of the one before. Throws Error for slots and tiers that are not there.
  void begin(const StepPlan& plan);
  /// Before the computation of `layer` touches pages. What precedes is included: a plan that runs as a graph calls it
  /// once, with the last layer, before the launch; it must not be called while a graph is recorded.
  void before_layer(int64_t layer);
  /// The plan's computation is enqueued.
  void end(const StepPlan& plan);
  /// After end() of a plan with `confirms`: waits until its promotions to the device, and the copies to the host that
  /// its rows read there, have landed or failed. Returns those that failed on this rank, each kind in the order of the
  /// plan. Nothing for other plans.
  std::vector<PageId> confirm(const StepPlan& plan);

  /// Never waits for a transfer. Hands the transfers' times to the context's tracer.
  TransferReport take_report();
  /// Until take_report() would say something that it has not said. False if `limit` has passed first.
  bool wait_for_progress(std::chrono::milliseconds limit);
  MoverStats stats() const;

  /// Whether a fault on purpose parts this rank's cache state from the others' at the plan; the engine asks.
  bool diverges(uint64_t plan) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep
