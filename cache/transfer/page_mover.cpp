#include "cache/transfer/page_mover.h"

#include "cache/transfer/page_mover_impl.h"
#include "core/error.h"

#include <algorithm>
#include <utility>

namespace lockstep {
namespace {

void check(const MoverOptions& options) {
  LS_REQUIRE(ConfigError, options.workers >= 1 && options.workers <= 256,
             "transfer.workers is {}; 1 to 256 are possible", options.workers);
  LS_REQUIRE(ConfigError, options.max_in_flight >= 1, "transfers of at most {} bytes in flight; at least 1 is needed",
             options.max_in_flight);
  LS_REQUIRE(ConfigError, options.timeout.count() >= 1, "transfer.timeout_ms is {}; at least 1 is needed",
             options.timeout.count());
  LS_REQUIRE(ConfigError, options.piece_bytes >= 1 && options.disk_batch_pages >= 1,
             "copies of at least {} bytes and batches of at most {} pages; both must be at least 1",
             options.piece_bytes, options.disk_batch_pages);
}

}  // namespace

PageMover::PageMover(const OpContext& context, DevicePool& device, HostPool* host, PageFile* file,
                     MoverOptions options) {
  check(options);
  LS_REQUIRE(ConfigError, host != nullptr || file == nullptr, "a disk store needs a host pool to read into");
  impl_ = std::make_unique<Impl>(context, device, host, file, std::move(options));
}

PageMover::~PageMover() = default;

void PageMover::begin(const StepPlan& plan) {
  LS_CHECK(!impl_->open_plan, "plan {} begins before the end of plan {}", plan.number, *impl_->open_plan);
  impl_->open_plan = plan.number;
  impl_->promotions.clear();
  impl_->host_pages.clear();
  impl_->num_pieces_held = 0;
  std::vector<Impl::Ptr> users;
  impl_->note_allocated(plan);
  for (const PageOp& op : plan.ops) {
    if (op.kind == PageOpKind::kAllocate) {
      const Impl::Lock lock(impl_->mutex);
      const auto more = impl_->graph.give_to_computation(op.slot);
      users.insert(users.end(), more.begin(), more.end());
    } else if (is_offload(op)) {
      const Impl::Lock lock(impl_->mutex);
      impl_->host_pages.push_back(impl_->graph.content_of_host_slot(op.host_slot));
    } else if (channel_of(op) || leaves_disk(op)) {
      const bool is_nowhere = op.kind == PageOpKind::kInvalidate && !impl_->disk;  // its slots are all that it had
      if (!is_nowhere) impl_->submit(op, plan);
    }
  }
  impl_->hold_for_slots(users);
  impl_->hold_for_host_pages();
}

void PageMover::before_layer(int64_t layer) {
  LS_CHECK(impl_->open_plan, "layer {} of no plan", layer);
  LS_CHECK(layer >= 0 && layer < impl_->layout.num_layers, "layer {} of {}", layer, impl_->layout.num_layers);
  const int64_t end_piece = layer / impl_->layers_of_piece + 1;
  if (impl_->promotions.empty() || end_piece <= impl_->num_pieces_held) return;
  impl_->hold_for_layers(end_piece);
  impl_->num_pieces_held = end_piece;
}

void PageMover::end(const StepPlan& plan) {
  LS_CHECK(impl_->open_plan == plan.number, "plan {} ends, which has not begun", plan.number);
  impl_->open_plan.reset();
  if (impl_->host == nullptr) return;  // no transfer will ever follow it
  auto event = std::make_shared<Event>();
  event->record(*impl_->context.stream);
  impl_->computed = std::move(event);
  if (!plan.confirms) return;
  std::vector<Impl::Ptr> copies = std::exchange(impl_->promotions, {});
  copies.insert(copies.end(), impl_->host_pages.begin(), impl_->host_pages.end());
  impl_->to_confirm.emplace(plan.number, std::move(copies));
}

std::vector<PageId> PageMover::confirm(const StepPlan& plan) {
  const auto entry = impl_->to_confirm.extract(plan.number);
  if (entry.empty()) return {};
  std::vector<PageId> failed;
  Impl::Lock lock(impl_->mutex);
  impl_->wait(lock, StallCause::kConfirm, [&] {
    return std::all_of(entry.mapped().begin(), entry.mapped().end(), [](const auto& one) { return one->is_done; });
  });
  for (const auto& one : entry.mapped()) {
    if (one->has_failed) failed.push_back(one->page);
  }
  return failed;
}

TransferReport PageMover::take_report() {
  std::vector<TraceSpan> spans;
  TransferReport report;
  {
    const Impl::Lock lock(impl_->mutex);
    if (impl_->graph.expire(TransferClock::now())) {
      impl_->dispatch();
      impl_->changed.notify_all();
    }
    report = impl_->graph.take_report();
    impl_->reported_progress = impl_->graph.progress();
    spans.swap(impl_->spans);
  }
  impl_->stalls.collect();
  for (const TraceSpan& span : spans) impl_->context.tracer->add(span);
  return report;
}

bool PageMover::wait_for_progress(std::chrono::milliseconds limit) {
  const TransferClock::time_point end = TransferClock::now() + limit;
  Impl::Lock lock(impl_->mutex);
  const auto has_progress = [&] { return impl_->graph.progress() != impl_->reported_progress; };
  impl_->wait(lock, std::nullopt, [&] { return has_progress() || TransferClock::now() >= end; });
  return has_progress();
}

MoverStats PageMover::stats() const {
  const Impl::Lock lock(impl_->mutex);
  return {impl_->graph.stats(), impl_->stalls.seconds()};
}

bool PageMover::diverges(uint64_t plan) const { return impl_->options.faults.diverges(plan); }

}  // namespace lockstep
