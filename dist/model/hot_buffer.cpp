#include "dist/model/hot_buffer.h"

#include "core/copy.h"
#include "core/error.h"

namespace lockstep {
namespace {

Buffer zeros(int64_t bytes, Device device) {
  Buffer buffer(bytes, device);
  buffer.fill_zero();
  return buffer;
}

}  // namespace

HotBuffer::HotBuffer(const OpContext& context, const KvLayout& layout, int64_t num_slots, const HotSizes& sizes)
    : context_(context), hint_stream_(Stream::cuda(context.device)), hint_context_(context) {
  LS_CHECK(sizes.num_pages > 0 && sizes.num_host_slots > 0, "a hot buffer of {} pages for {} host slots",
           sizes.num_pages, sizes.num_host_slots);
  hint_context_.stream = &hint_stream_;
  const int64_t heads = layout.num_layers * layout.num_kv_heads;
  pages_.block_bytes = hot_block_bytes(layout);
  pages_.num_blocks = whole_hot_sets(sizes.num_pages);
  pages_.num_host_slots = sizes.num_host_slots;
  check_hot_slots(num_slots, sizes.num_host_slots, pages_.num_blocks);
  const int64_t blocks = heads * pages_.num_blocks;
  blocks_ = zeros(blocks * pages_.block_bytes, context.device);
  pages_.blocks = static_cast<std::byte*>(blocks_.data());
  const auto place = [&]<class T>(Buffer& memory, T*& member, int64_t count) {
    memory = zeros(count * static_cast<int64_t>(sizeof(T)), context.device);
    member = static_cast<T*>(memory.data());
  };
  place(tags_, pages_.tags, blocks);
  place(used_, pages_.used, blocks);
  place(calls_, pages_.calls, heads);
  place(launches_, pages_.launches, layout.num_kv_heads);
  place(claims_, pages_.claims, layout.num_kv_heads * sizes.num_host_slots);
  place(fillings_, pages_.fillings, sizes.num_host_slots);
  place(totals_, pages_.totals, kHotTotals);
  const int64_t entries = sizes.max_lists * sizes.list_capacity;
  int32_t* lists = nullptr;
  place(lists_, lists, kHotListArrays * entries);
  fetch_lists_ = {lists, lists + entries};
  hint_lists_ = {lists + 2 * entries, lists + 3 * entries};
}

void HotBuffer::follow(const StepPlan& plan) {
  filled_.clear();
  for (const PageOp& op : plan.ops) {
    const auto channel = channel_of(op);
    const bool fills = channel == TransferChannel::kToHost || channel == TransferChannel::kFromDisk;
    if (fills) filled_.push_back(op.host_slot.value());
  }
  void_hot_pages(context_, filled_, pages_);
}

PageSelection HotBuffer::fetch(const RaggedRows& rows, int64_t layer, const KvPages& pages,
                               const PageSelection& selection) {
  fetch_hot_pages(context_, rows, layer, pages, selection, pages_, fetch_lists_, /*is_hint=*/false);
  PageSelection out = selection;
  out.slots = fetch_lists_.slots;
  return out;
}

void HotBuffer::hint(const RaggedRows& rows, int64_t layer, const KvPages& pages, const PageSelection& selection) {
  selected_.record(*context_.stream);
  hint_stream_.wait(selected_);
  fetch_hot_pages(hint_context_, rows, layer, pages, selection, pages_, hint_lists_, /*is_hint=*/true);
  hinted_.record(hint_stream_);
  has_hint_ = true;
}

void HotBuffer::join() {
  if (!has_hint_) return;
  context_.stream->wait(hinted_);
  has_hint_ = false;
}

int64_t HotBuffer::bytes() const {
  return blocks_.bytes() + tags_.bytes() + used_.bytes() + calls_.bytes() + launches_.bytes() + claims_.bytes() +
         fillings_.bytes() + totals_.bytes() + lists_.bytes();
}

HotTotals HotBuffer::totals() const {
  int64_t counts[kHotTotals] = {};
  copy_async(*context_.stream, counts, totals_.data(), totals_.bytes());
  context_.stream->synchronize();
  return {counts[0], counts[1], counts[2]};
}

}  // namespace lockstep
