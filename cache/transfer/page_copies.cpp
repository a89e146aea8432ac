// What threads do with a transfer between device and host: copies, checksums, and the order of streams.
#include "cache/transfer/page_mover_impl.h"
#include "core/copy.h"
#include "core/error.h"
#include "core/hash.h"

#include <algorithm>
#include <string>

namespace lockstep {
namespace {

constexpr size_t kToHostLane = 0, kToDeviceLane = 1;

}  // namespace

std::byte* PageMover::Impl::device_page(const Transfer& transfer) const {
  return device_base + transfer.slot.value() * layout.page_bytes();
}

// Everything on `stream` from here on follows the computations and the device copies that the transfer has to follow.
void PageMover::Impl::order(Stream& stream, const Transfer& transfer) {
  const Lock lock(mutex);
  if (transfer.computed) stream.wait(*transfer.computed);
  for (const Ptr& before : transfer.behind) {
    if (before->stage == TransferStage::kReleased) continue;
    for (const Transfer::Piece& piece : before->pieces) {
      if (piece.is_enqueued) stream.wait(*piece.landed);
    }
  }
}

void PageMover::Impl::to_host(const Ptr& transfer) {
  if (!start(transfer)) return;
  if (transfer->is_transcode()) return transcode(transfer);
  const bool is_cold = is_from_or_to_cold(*transfer), is_staged = is_cold && is_cuda();
  if (is_staged && !stage(transfer, [this, transfer] { to_host(transfer); })) return;
  if (!sit_out_delay(transfer)) return finish(transfer, "");
  if (transfer->faults.failure) return finish(transfer, *transfer->faults.failure);
  try {
    order(to_host_stream, *transfer);
    const auto copy_layers = [&](int64_t begin, int64_t end) {
      const int64_t offset = blocks.offset_of(begin);
      copy_2d_async(to_host_stream, host->slot(transfer->host_slot).data() + offset, host->head_stride(),
                    device_page(*transfer) + offset, layout.head_bytes(), blocks.offset_of(end) - offset,
                    layout.num_kv_heads);
    };
    if (!is_cuda()) {  // layers by pieces, so that their checksums find them in the core's cache
      for (int64_t begin = 0; begin < layout.num_layers; begin += layers_of_piece) {
        const int64_t end = std::min(begin + layers_of_piece, layout.num_layers);
        is_cold ? shrink_into_slot(*transfer, device_page(*transfer), begin, end) : copy_layers(begin, end);
        take_crcs(*transfer, begin, end);
      }
      return finish_to_host(transfer);
    }
    if (is_staged) {
      copy_async(to_host_stream, transfer->staged, device_page(*transfer), layout.page_bytes());
    } else {
      copy_layers(0, layout.num_layers);
    }
    auto landed = std::make_shared<Event>();
    landed->record(to_host_stream);
    {
      const Lock lock(mutex);
      transfer->pieces[0] = {landed, true};
      graph.set_enqueued(transfer);
      dispatch();
      changed.notify_all();
    }
    watch->add(kToHostLane, landed, [this, transfer](const std::exception_ptr& failure) {
      if (failure) return finish(transfer, words_of(failure));
      workers->push({transfer->plan, 0, transfer->order}, [this, transfer] { take_landed(transfer); });
    });
  } catch (...) {
    finish(transfer, words_of(std::current_exception()));
  }
}

void PageMover::Impl::take_landed(const Ptr& transfer) {
  try {
    if (transfer->staged != nullptr) shrink_into_slot(*transfer, transfer->staged, 0, layout.num_layers);
    take_crcs(*transfer, 0, layout.num_layers);
    finish_to_host(transfer);
  } catch (...) {
    finish(transfer, words_of(std::current_exception()));
  }
}

void PageMover::Impl::take_crcs(const Transfer& transfer, int64_t begin_layer, int64_t end_layer) {
  const SlotId slot = transfer.target_slot();
  const std::span<uint32_t> crcs = host->crcs(slot);
  const bool compares = options.reads_host && !is_cuda();  // with what was copied, where the host can read it
  for (int64_t head = 0; head < layout.num_kv_heads; ++head) {
    for (int64_t layer = begin_layer; layer < end_layer; ++layer) {
      std::span<const std::byte> block = host->block(slot, head, layer);
      if (compares) {
        block = {device_page(transfer) + head * layout.head_bytes() + blocks.offset_of(layer), block.size()};
      }
      crcs[static_cast<size_t>(head * layout.num_layers + layer)] = crc32c(block);
    }
  }
}

// What rows read on the host no promotion will look at: it is compared once, here.
void PageMover::Impl::finish_to_host(const Ptr& transfer) {
  if (transfer->faults.flips_bit) flip_bit(*transfer);
  try {
    if (options.reads_host) verify(*transfer, 0, layout.num_layers);
  } catch (...) {
    return finish(transfer, words_of(std::current_exception()));
  }
  finish(transfer, "");
}

// Another bit for every transfer, anywhere in the page.
void PageMover::Impl::flip_bit(const Transfer& transfer) {
  const SlotId slot = transfer.target_slot();
  const std::span<std::byte> page = host->slot(slot);
  const auto heads = static_cast<uint64_t>(layout.num_kv_heads);
  const KvLayout& held = host->is_cold(slot) ? host->cold_layout() : layout;
  const auto bits = static_cast<uint64_t>(held.head_bytes()) * 8;
  const uint64_t spread = transfer.order * 0x9e3779b97f4a7c15U;  // golden ratio
  const auto head = static_cast<int64_t>(spread % heads);
  const uint64_t bit = spread / heads % bits;
  std::byte& byte = page[static_cast<size_t>(head) * (page.size() / heads) + bit / 8];
  byte ^= static_cast<std::byte>(1U << (bit % 8));
}

void PageMover::Impl::to_device(const Ptr& transfer, int64_t piece) {
  if (!start(transfer)) return;
  const bool is_cold = is_from_or_to_cold(*transfer), is_staged = is_cold && is_cuda();
  if (is_staged && !stage(transfer, [this, transfer, piece] { to_device(transfer, piece); })) return;
  if (!sit_out_delay(transfer)) return end_piece(transfer, "");
  if (transfer->faults.failure) return end_piece(transfer, *transfer->faults.failure);
  try {
    const int64_t begin = piece * layers_of_piece, end = std::min(begin + layers_of_piece, layout.num_layers);
    verify(*transfer, begin, end);
    if (is_staged) expand_from_slot(*transfer, transfer->staged, begin, end);
    order(to_device_stream, *transfer);
    const int64_t offset = blocks.offset_of(begin);
    if (is_cold && !is_staged) {
      expand_from_slot(*transfer, device_page(*transfer), begin, end);
    } else {
      const std::byte* from = is_staged ? transfer->staged : host->slot(transfer->host_slot).data();
      copy_2d_async(to_device_stream, device_page(*transfer) + offset, layout.head_bytes(), from + offset,
                    is_staged ? layout.head_bytes() : host->head_stride(), blocks.offset_of(end) - offset,
                    layout.num_kv_heads);
    }
    auto landed = std::make_shared<Event>();
    landed->record(to_device_stream);
    {
      const Lock lock(mutex);
      transfer->pieces[static_cast<size_t>(piece)] = {landed, true};
      const bool are_all = std::all_of(transfer->pieces.begin(), transfer->pieces.end(),
                                       [](const auto& one) { return one.is_enqueued; });
      if (are_all) graph.set_enqueued(transfer);
      dispatch();
      changed.notify_all();
    }
    if (!is_cuda()) return end_piece(transfer, "");
    watch->add(kToDeviceLane, landed,
               [this, transfer](const std::exception_ptr& failure) { end_piece(transfer, words_of(failure)); });
  } catch (...) {
    end_piece(transfer, words_of(std::current_exception()));
  }
}

void PageMover::Impl::verify(const Transfer& transfer, int64_t begin_layer, int64_t end_layer) {
  const std::span<const uint32_t> crcs = host->crcs(transfer.host_slot);
  for (int64_t head = 0; head < layout.num_kv_heads; ++head) {
    for (int64_t layer = begin_layer; layer < end_layer; ++layer) {
      const uint32_t expected = crcs[static_cast<size_t>(head * layout.num_layers + layer)];
      const uint32_t found = crc32c(host->block(transfer.host_slot, head, layer));
      LS_REQUIRE(FormatError, found == expected,
                 "page {} in host slot {}: KV head {}, layer {}: CRC32C {:08x}, {:08x} when it was copied",
                 transfer.page.value(), transfer.host_slot.value(), head, layer, found, expected);
    }
  }
}

// The last piece to land or to be given up releases the transfer.
void PageMover::Impl::end_piece(const Ptr& transfer, const std::string& failure) {
  const Lock lock(mutex);
  if (!failure.empty()) graph.settle(transfer, failure);
  if (--transfer->pieces_left == 0) return finish_locked(transfer, "");
  changed.notify_all();
}

}  // namespace lockstep
