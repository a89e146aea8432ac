// The parts of PageMover. Private to cache/transfer/.
//
// One mutex guards the graph of transfers; no copy, checksum or disk access happens under it. Threads take a transfer
// by graph.start(), work, and give it back by finish().
#pragma once

#include "cache/transfer/disk_thread.h"
#include "cache/transfer/landing_watch.h"
#include "cache/transfer/page_mover.h"
#include "cache/transfer/stall_meter.h"
#include "cache/transfer/transfer_graph.h"
#include "cache/transfer/work_queue.h"
#include "core/pinned_buffer.h"
#include "core/trace.h"

#include <condition_variable>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>

namespace lockstep {

/// What an exception says; "" for none.
std::string words_of(const std::exception_ptr& failure);

struct PageMover::Impl final : DiskClient {
  using Ptr = TransferGraph::Ptr;
  using Lock = std::unique_lock<std::mutex>;

  Impl(const OpContext& context, DevicePool& device, HostPool* host, PageFile* file, MoverOptions options);
  ~Impl() override;

  // mover_impl.cpp: the step thread.
  /// Which slots the plan's computation writes to.
  void note_allocated(const StepPlan& plan);
  void submit(const PageOp& op, const StepPlan& plan);
  void hold_for_slots(const std::vector<Ptr>& users);
  void hold_for_host_pages();
  void hold_for_layers(int64_t end_piece);
  void let_computation_follow(const std::vector<Ptr>& transfers, size_t begin, size_t end, StallCause cause);
  void wait(Lock& lock, std::optional<StallCause> cause, const std::function<bool()>& is_over);
  bool is_cuda() const { return context.device.kind == DeviceKind::kCuda; }

  // mover_impl.cpp: what all threads use. The lock is held.
  void dispatch();
  void dispatch(const Ptr& transfer);
  void finish_locked(const Ptr& transfer, const std::string& failure);
  // The lock is not held.
  bool start(const Ptr& transfer) override;
  void finish(const Ptr& transfer, const std::string& failure) override;
  bool sit_out_delay(const Ptr& transfer) override;

  // page_transcoding.cpp: workers.
  /// A page of the host gets the cold format.
  void transcode(const Ptr& transfer);
  /// One page in the device's format at `page` to or from the transfer's cold slot.
  void shrink_into_slot(const Transfer& transfer, const std::byte* page, int64_t begin_layer, int64_t end_layer);
  void expand_from_slot(const Transfer& transfer, std::byte* page, int64_t begin_layer, int64_t end_layer);
  bool is_from_or_to_cold(const Transfer& transfer) const { return host->is_cold(transfer.host_slot); }
  /// A CUDA transfer between a cold slot and the device gets its staging page. False: all are in use; `again` is run by
  /// a worker when one is free.
  bool stage(const Ptr& transfer, std::function<void()> again);
  void unstage(const Ptr& transfer);  // the lock is held

  // page_copies.cpp: workers, and for copies to the host of a CUDA rank the step thread.
  void to_host(const Ptr& transfer);
  void take_crcs(const Transfer& transfer, int64_t begin_layer, int64_t end_layer);
  void take_landed(const Ptr& transfer);
  void finish_to_host(const Ptr& transfer);
  void to_device(const Ptr& transfer, int64_t piece);
  void verify(const Transfer& transfer, int64_t begin_layer, int64_t end_layer);
  void end_piece(const Ptr& transfer, const std::string& failure);
  void order(Stream& stream, const Transfer& transfer);
  void flip_bit(const Transfer& transfer) override;
  std::byte* device_page(const Transfer& transfer) const;

  const OpContext context;
  const KvLayout layout;
  const LayerBlocks blocks;  // of a head
  std::byte* const device_base;
  HostPool* const host;
  MoverOptions options;
  const int64_t layers_of_piece, num_pieces;
  Stream to_host_stream, to_device_stream;

  mutable std::mutex mutex;
  std::condition_variable changed;  // something was enqueued, done or released
  TransferGraph graph;
  bool is_stopping = false;
  PinnedBuffer staging;  // CUDA with cold slots
  std::vector<std::byte*> free_staging;
  struct WaitingTask {
    Urgency urgency;
    std::function<void()> task;
  };
  std::vector<WaitingTask> wait_for_staging;
  std::vector<TraceSpan> spans;

  // The step thread's own.
  std::optional<uint64_t> open_plan;
  std::shared_ptr<const Event> computed;  // behind the last plan that has ended
  std::vector<SlotId> allocated;          // guarded; by the plan that began last
  std::vector<Ptr> promotions;            // of the open plan, if it confirms
  std::vector<Ptr> host_pages;            // wrote what rows read on the host from the open plan on
  int64_t num_pieces_held = 0;            // of each, that the computation follows already
  std::map<uint64_t, std::vector<Ptr>> to_confirm;
  uint64_t reported_progress = 0;
  StallMeter stalls;

  // Threads, last: they use everything above.
  std::unique_ptr<LandingWatch> watch;  // CUDA
  std::unique_ptr<DiskThread> disk;
  std::unique_ptr<WorkQueue> workers;
};

}  // namespace lockstep
