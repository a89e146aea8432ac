// What threads do with pages of cold slots: change their format on the way into the slot, out of it, or within the
// host.
#include "cache/transfer/page_mover_impl.h"
#include "core/error.h"
#include "kernels/transcode.h"

#include <algorithm>
#include <utility>

namespace lockstep {

std::string words_of(const std::exception_ptr& failure) {
  if (!failure) return "";
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "the copy failed";
  }
}

void PageMover::Impl::transcode(const Ptr& transfer) {
  if (!sit_out_delay(transfer)) return finish(transfer, "");
  if (transfer->faults.failure) return finish(transfer, *transfer->faults.failure);
  try {
    for (int64_t layer = 0; layer < layout.num_layers; ++layer) {
      verify(*transfer, layer, layer + 1);
      for (int64_t head = 0; head < layout.num_kv_heads; ++head) {
        transcode_block(layout, host->block(transfer->host_slot, head, layer).data(), host->cold_layout(),
                        host->block(transfer->cold_slot, head, layer).data(), layer);
      }
      take_crcs(*transfer, layer, layer + 1);
    }
    finish_to_host(transfer);
  } catch (...) {
    finish(transfer, words_of(std::current_exception()));
  }
}

void PageMover::Impl::shrink_into_slot(const Transfer& transfer, const std::byte* page, int64_t begin_layer,
                                       int64_t end_layer) {
  for (int64_t head = 0; head < layout.num_kv_heads; ++head) {
    for (int64_t layer = begin_layer; layer < end_layer; ++layer) {
      transcode_block(layout, page + layout.k_block(head, layer), host->cold_layout(),
                      host->block(transfer.host_slot, head, layer).data(), layer);
    }
  }
}

void PageMover::Impl::expand_from_slot(const Transfer& transfer, std::byte* page, int64_t begin_layer,
                                       int64_t end_layer) {
  for (int64_t head = 0; head < layout.num_kv_heads; ++head) {
    for (int64_t layer = begin_layer; layer < end_layer; ++layer) {
      transcode_block(host->cold_layout(), host->block(transfer.host_slot, head, layer).data(), layout,
                      page + layout.k_block(head, layer), layer);
    }
  }
}

bool PageMover::Impl::stage(const Ptr& transfer, std::function<void()> again) {
  const Lock lock(mutex);
  if (transfer->staged != nullptr) return true;
  if (free_staging.empty()) {
    wait_for_staging.push_back({{transfer->plan, 0, transfer->order}, std::move(again)});
    return false;
  }
  transfer->staged = free_staging.back();
  free_staging.pop_back();
  return true;
}

// All that wait look again: pieces of one page may share what another has got.
void PageMover::Impl::unstage(const Ptr& transfer) {
  if (transfer->staged == nullptr) return;
  free_staging.push_back(std::exchange(transfer->staged, nullptr));
  for (WaitingTask& waiting : std::exchange(wait_for_staging, {})) {
    workers->push(waiting.urgency, std::move(waiting.task));
  }
}

}  // namespace lockstep
