// The parts of PageMover that its calls and its threads are made of.
#include "cache/transfer/page_mover_impl.h"
#include "core/error.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace lockstep {
namespace {

// Waiting threads look this often whether a transfer is over its time.
constexpr std::chrono::milliseconds kLookAgain{10};
constexpr size_t kMostSpans = 65536;       // between two reports
constexpr uint8_t kFirstTraceStream = 16;  // other streams of a rank are numbered from 0
constexpr int64_t kStagingOfWorker = 2;    // pages: one it works on, one that a stream copies

int64_t layers_in(int64_t bytes, const KvLayout& layout) {
  const int64_t layer_bytes = layout.page_bytes() / layout.num_layers;
  return std::min((bytes + layer_bytes - 1) / layer_bytes, layout.num_layers);
}

Stream copy_stream(Device device) {
  return device.kind == DeviceKind::kCuda ? Stream::cuda(device) : Stream::inline_cpu();  // inline: on the worker
}

}  // namespace

PageMover::Impl::Impl(const OpContext& op_context, DevicePool& device, HostPool* host_pool, PageFile* file,
                      MoverOptions mover_options)
    : context(op_context),
      layout(device.pages().layout),
      blocks(layout.layer_blocks()),
      device_base(device.pages().base),
      host(host_pool),
      options(std::move(mover_options)),
      layers_of_piece(layers_in(options.piece_bytes, layout)),
      num_pieces((layout.num_layers + layers_of_piece - 1) / layers_of_piece),
      to_host_stream(copy_stream(context.device)),
      to_device_stream(copy_stream(context.device)),
      graph({.num_device_slots = device.num_slots(),
             .num_host_slots = host != nullptr ? host->num_slots() : 0,
             .num_cold_slots = host != nullptr ? host->num_cold_slots() : 0,
             .has_disk = file != nullptr,
             .has_events = is_cuda(),
             .timeout = options.timeout}),
      stalls(context.device) {
  if (host == nullptr) return;
  LS_CHECK(host->layout().page_bytes() == layout.page_bytes() && host->layout().head_bytes() == layout.head_bytes() &&
               host->layout().layer_blocks() == layout.layer_blocks(),
           "a host pool of pages of {} bytes for device pages of {} bytes", host->layout().page_bytes(),
           layout.page_bytes());
  if (is_cuda() && host->num_cold_slots() > 0) {
    const int64_t count = kStagingOfWorker * options.workers;
    staging = PinnedBuffer(count * layout.page_bytes(), context.device);
    for (int64_t i = 0; i < count; ++i) free_staging.push_back(staging.as<std::byte>() + i * layout.page_bytes());
  }
  if (is_cuda()) watch = std::make_unique<LandingWatch>();
  if (file != nullptr) disk = std::make_unique<DiskThread>(*file, *host, *this, options.disk_batch_pages);
  workers = std::make_unique<WorkQueue>(options.workers, "ls-move-");
}

PageMover::Impl::~Impl() {
  {
    Lock lock(mutex);
    is_stopping = true;
    while (!graph.is_idle()) {
      graph.cancel_waiting("the rank stops");
      dispatch();
      changed.notify_all();
      if (!graph.is_idle()) changed.wait_for(lock, kLookAgain);
    }
  }
  workers.reset();  // before what they hand on to
}

// The lock is held.
void PageMover::Impl::dispatch() {
  for (const Ptr& transfer : graph.take_ready()) dispatch(transfer);
}

void PageMover::Impl::dispatch(const Ptr& transfer) {
  if (transfer->faults.hangs) return;  // no thread ever takes it up
  if (transfer->is_on(TransferChannel::kToHost)) {
    const bool is_awaited = std::find(allocated.begin(), allocated.end(), transfer->slot) != allocated.end();
    workers->push({transfer->plan, is_awaited ? 0 : 1, transfer->order}, [this, transfer] { to_host(transfer); });
  } else if (transfer->is_on(TransferChannel::kToDevice)) {
    for (int64_t piece = 0; piece < num_pieces; ++piece) {
      workers->push({transfer->plan, 1 + piece, transfer->order},
                    [this, transfer, piece] { to_device(transfer, piece); });
    }
  } else {
    disk->push(transfer);
  }
}

bool PageMover::Impl::start(const Ptr& transfer) {
  const Lock lock(mutex);
  if (graph.start(transfer)) return true;
  dispatch();
  changed.notify_all();
  return false;
}

// A delay on purpose. False: the transfer failed meanwhile.
bool PageMover::Impl::sit_out_delay(const Ptr& transfer) {
  Lock lock(mutex);
  const std::chrono::microseconds delay = transfer->faults.delay;
  if (delay.count() > 0) changed.wait_for(lock, delay, [&] { return transfer->is_done || is_stopping; });
  return !transfer->is_done;
}

void PageMover::Impl::finish(const Ptr& transfer, const std::string& failure) {
  const Lock lock(mutex);
  finish_locked(transfer, failure);
}

void PageMover::Impl::finish_locked(const Ptr& transfer, const std::string& failure) {
  static constexpr std::array<const char*, kNumTransferChannels> kNames = {"to host", "to device", "to disk",
                                                                           "from disk"};
  if (!failure.empty()) graph.settle(transfer, failure);
  graph.release(transfer);
  unstage(transfer);
  if (context.tracer != nullptr && transfer->channel && spans.size() < kMostSpans) {
    const auto channel = static_cast<uint8_t>(*transfer->channel);
    const auto nanoseconds = [](TransferClock::time_point time) {
      return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
    };
    spans.push_back({kNames[channel],
                     "plan,page,bytes",
                     {static_cast<int64_t>(transfer->plan), transfer->page.value(), transfer->bytes},
                     nanoseconds(transfer->begin),
                     nanoseconds(transfer->end),
                     TraceTrack::kTransfers,
                     static_cast<uint8_t>(kFirstTraceStream + channel)});
  }
  dispatch();
  changed.notify_all();
}

// The step thread waits. `cause`: what the time is counted as.
void PageMover::Impl::wait(Lock& lock, std::optional<StallCause> cause, const std::function<bool()>& is_over) {
  if (is_over()) return;
  const TransferClock::time_point begin = TransferClock::now();
  for (;;) {
    if (graph.expire(TransferClock::now())) {
      dispatch();
      changed.notify_all();
    }
    if (is_over()) break;
    changed.wait_for(lock, kLookAgain);
  }
  if (cause) stalls.add(*cause, std::chrono::duration<double>(TransferClock::now() - begin).count());
}

void PageMover::Impl::note_allocated(const StepPlan& plan) {
  const Lock lock(mutex);
  allocated.clear();
  for (const PageOp& op : plan.ops) {
    if (op.kind == PageOpKind::kAllocate) allocated.push_back(op.slot);
  }
}

void PageMover::Impl::submit(const PageOp& op, const StepPlan& plan) {
  LS_CHECK(host != nullptr, "plan {} moves page {} between tiers; this rank has one", plan.number, op.page.value());
  const std::optional<TransferChannel> channel = channel_of(op);
  const bool is_to_device = channel == TransferChannel::kToDevice;
  const bool is_of_disk = channel == TransferChannel::kToDisk || channel == TransferChannel::kFromDisk;
  const bool is_transcode = op.kind == PageOpKind::kTranscode;
  const int64_t bytes = !channel       ? 0
                        : is_of_disk   ? host->slot_bytes()
                        : is_transcode ? host->cold_layout().page_bytes()
                                       : layout.page_bytes();
  TransferFaults faults = channel ? options.faults.next(*channel) : TransferFaults();
  const bool takes_time = faults.hangs || faults.delay.count() > 0;
  Ptr transfer;
  bool is_mine = false;
  {
    Lock lock(mutex);
    if (channel) {
      wait(lock, StallCause::kQueueFull, [&] {
        const int64_t open = graph.open_bytes(*channel);
        return open == 0 || open + bytes <= options.max_in_flight;
      });
    }
    const bool overwrites_host_page = options.reads_host && channel == TransferChannel::kFromDisk;
    const auto behind = !is_of_disk || overwrites_host_page ? computed : nullptr;
    transfer = graph.add(op, plan.number, bytes, is_to_device ? num_pieces : 1, std::move(faults), behind);
    if (is_to_device && plan.confirms) promotions.push_back(transfer);
    for (const Ptr& ready : graph.take_ready()) {
      // A CUDA copy to the host is enqueued here and now: a computation of this plan may have to follow it.
      const bool is_for_me =
          is_cuda() && ready == transfer && channel == TransferChannel::kToHost && !takes_time && !is_transcode;
      is_for_me ? void(is_mine = true) : dispatch(ready);
    }
  }
  if (is_mine) to_host(transfer);
}

// The computation of the open plan follows the enqueued pieces of transfers. The lock is held.
void PageMover::Impl::let_computation_follow(const std::vector<Ptr>& transfers, size_t begin, size_t end,
                                             StallCause cause) {
  const auto is_over = [](const Ptr& one) { return one->stage == TransferStage::kReleased; };
  if (std::all_of(transfers.begin(), transfers.end(), is_over)) return;
  stalls.open(*context.stream);
  for (const Ptr& one : transfers) {
    if (is_over(one)) continue;
    for (size_t i = begin; i < std::min(end, one->pieces.size()); ++i) {
      if (one->pieces[i].is_enqueued) context.stream->wait(*one->pieces[i].landed);
    }
  }
  stalls.close(*context.stream, cause);
}

void PageMover::Impl::hold_for_slots(const std::vector<Ptr>& users) {
  if (users.empty()) return;
  Lock lock(mutex);
  wait(lock, StallCause::kSlotInUse, [&] {
    return std::all_of(users.begin(), users.end(),
                       [](const Ptr& user) { return user->stage >= TransferStage::kEnqueued; });
  });
  let_computation_follow(users, 0, std::numeric_limits<size_t>::max(), StallCause::kSlotInUse);
}

// One that failed is told by confirm(): what is computed with it is void.
void PageMover::Impl::hold_for_host_pages() {
  if (host_pages.empty()) return;
  Lock lock(mutex);
  wait(lock, StallCause::kSlotInUse, [&] {
    return std::all_of(host_pages.begin(), host_pages.end(),
                       [](const Ptr& one) { return one->is_done || one->stage >= TransferStage::kEnqueued; });
  });
  let_computation_follow(host_pages, 0, std::numeric_limits<size_t>::max(), StallCause::kSlotInUse);
}

void PageMover::Impl::hold_for_layers(int64_t end_piece) {
  const auto begin = static_cast<size_t>(num_pieces_held), end = static_cast<size_t>(end_piece);
  Lock lock(mutex);
  wait(lock, StallCause::kPromotion, [&] {
    return std::all_of(promotions.begin(), promotions.end(), [&](const Ptr& one) {
      if (one->is_done) return true;
      return std::all_of(one->pieces.begin() + static_cast<std::ptrdiff_t>(begin),
                         one->pieces.begin() + static_cast<std::ptrdiff_t>(end),
                         [](const Transfer::Piece& piece) { return piece.is_enqueued; });
    });
  });
  let_computation_follow(promotions, begin, end, StallCause::kPromotion);
}

}  // namespace lockstep
