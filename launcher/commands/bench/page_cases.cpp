// Operations on whole pages: sealing, indexing, transcoding, and device copies of pages of the host.
#include "core/pinned_buffer.h"
#include "dist/model/hot_buffer.h"
#include "kernels/page_summaries.h"
#include "kernels/seal_pages.h"
#include "kernels/transcode.h"
#include "launcher/commands/bench/device_data.h"
#include "launcher/commands/bench/kernel_table.h"
#include "launcher/commands/bench/paged_batch.h"

#include <cstring>
#include <vector>

namespace lockstep::bench {
namespace {

KvLayout layout_of(const KernelShapes& shapes, KvFormat format) {
  KvLayout layout{shapes.page_tokens, shapes.shard.kv_heads.size(), 1, shapes.config.head_dim, shapes.dtype, format};
  layout.has_summaries = !layout.is_coded();  // of unquantised pages nothing else is made
  return layout;
}

std::string page_text(const KvLayout& layout, int64_t pages) {
  return fmt::format("{} of {} tokens, {} heads x {}", pages, layout.page_tokens, layout.num_kv_heads, layout.head_dim);
}

// What a prompt fills, in one step: from the model's dtype to codes, or its summaries; entries of the table from pages.
void measure_filled(KernelTable& table, const KernelShapes& shapes, int64_t tokens) {
  const OpContext& context = table.context();
  KvLayout layout = layout_of(shapes, shapes.format);
  const int64_t pages = (tokens + shapes.page_tokens - 1) / shapes.page_tokens;
  const auto heads = static_cast<double>(pages * layout.num_kv_heads);
  const auto position = static_cast<double>(layout.head_dim * size_of(layout.dtype));
  const auto entry = static_cast<double>(summary_entry_bytes(layout));
  const double keys = static_cast<double>(layout.page_tokens) * position;
  const double sealed = layout.is_coded() ? 2.0 * keys + static_cast<double>(layout.k_bytes(0) + layout.v_bytes())
                                          : keys + static_cast<double>(layout.summary_bytes());
  const int64_t rotation = layout.num_layers = table.rotation(heads * sealed);
  const PagedBatch batch(context, layout, 1, pages * layout.page_tokens, pages * layout.page_tokens,
                         /*has_table=*/true);
  const std::string shape = fmt::format("{}: {}", name_of(layout.format), page_text(layout, pages));
  if (table.wants("seal_pages")) {
    table.measure({"seal_pages", shape, {heads * (sealed + entry), 0.0}, rotation},
                  [&](int64_t i) { seal_pages(context, batch.filled(), i % rotation, batch.pages()); });
  }
  if (!table.wants("index_pages")) return;
  std::vector<IndexedPage> list;  // the halves of a first page as any page: what they hold does not matter
  for (int64_t page = 0; page < pages; ++page) list.push_back({static_cast<int32_t>(page), false});
  const double metadata = static_cast<double>(4 * layout.head_dim);  // mean and deviation, or the scale
  table.measure({"index_pages", shape, {heads * (metadata + entry), 0.0}, rotation},
                [&](int64_t i) { index_pages(context, list, i % rotation, batch.pages()); });
}

// One thread of the host, a page at a time, there and back.
void measure_transcode(KernelTable& table, const KernelShapes& shapes) {
  if (!table.wants("transcode") || shapes.format == shapes.cold_format || shapes.page_tokens % 16 != 0) return;
  constexpr int64_t kPages = 64;
  const KvLayout full = layout_of(shapes, KvFormat::kFull), warm = layout_of(shapes, shapes.format),
                 cold = layout_of(shapes, shapes.cold_format);
  const HostTensor random = random_on_host(full.dtype, {kPages, full.page_bytes() / size_of(full.dtype)});
  std::vector<std::byte> from(static_cast<size_t>(kPages * warm.page_bytes())),
      to(static_cast<size_t>(kPages * cold.page_bytes()));
  // A head of one layer is a page's block; `source` and `target` are pages.
  const auto page = [](const KvLayout& a, const std::byte* source, const KvLayout& b, std::byte* target) {
    for (int64_t head = 0; head < a.num_kv_heads; ++head)
      transcode_block(a, source + a.k_block(head, 0), b, target + b.k_block(head, 0), 0);
  };
  for (int64_t i = 0; i < kPages; ++i) {
    const auto* const source = static_cast<const std::byte*>(random.view.data()) + i * full.page_bytes();
    std::byte* const target = from.data() + i * warm.page_bytes();
    if (warm.is_coded())
      page(full, source, warm, target);
    else
      std::memcpy(target, source, static_cast<size_t>(full.page_bytes()));
  }
  const auto bytes = static_cast<double>(warm.page_bytes() + cold.page_bytes());
  const auto measure = [&](const KvLayout& a, std::byte* source, const KvLayout& b, std::byte* target) {
    const KernelCase one{"transcode",
                         fmt::format("{} to {}: {}", name_of(a.format), name_of(b.format), page_text(a, 1)),
                         {bytes, 0.0},
                         kPages,
                         /*has_limit=*/false};
    table.measure_on_host(one, [&](int64_t i) {
      page(a, source + i % kPages * a.page_bytes(), b, target + i % kPages * b.page_bytes());
    });
  };
  measure(warm, from.data(), cold, to.data());
  measure(cold, to.data(), warm, from.data());
}

// Rows whose lists lie in host memory, page for page: those of `turn` in host slots of their own.
class HostRows {
 public:
  HostRows(const OpContext& context, const KvLayout& layout, int64_t batch, int64_t listed, int64_t turn) {
    std::vector<int32_t> page_begin{0}, slots;
    for (int64_t row = 0; row < batch; ++row) {
      slots.insert(slots.end(), layout.splits_first_page() ? 2 : 1, 0);  // a first page on the device, not listed
      for (int64_t page = 0; page < listed; ++page)
        slots.push_back(static_cast<int32_t>(1 + (turn * batch + row) * listed + page));
      page_begin.push_back(static_cast<int32_t>(slots.size()));
    }
    page_begin_ = integers(context, page_begin);
    slots_ = integers(context, slots);
    rows.num_rows = rows.num_tokens = rows.num_single_rows = batch;
    rows.page_begin = page_begin_.view.as<int32_t>();
    rows.slots = slots_.view.as<int32_t>();
  }

  RaggedRows rows;

 private:
  DeviceTensor page_begin_, slots_;
};

// Copies of what a step selected on the host, when none is there yet and when all are.
void measure_hot(KernelTable& table, const KernelShapes& shapes, int64_t batch, int64_t context_tokens) {
  constexpr int64_t kTurns = 4;
  const OpContext& context = table.context();
  const KvLayout layout = layout_of(shapes, shapes.format);
  const int64_t heads = layout.num_kv_heads;
  const int64_t listed =
      most_selected_pages(shapes.sparse, (context_tokens + shapes.page_tokens - 1) / shapes.page_tokens);
  const int64_t at_once = batch * listed, host_slots = kTurns * at_once;
  const PinnedBuffer host(host_slots * layout.page_bytes(), context.device);
  std::memset(host.data(), 0, static_cast<size_t>(host.bytes()));
  const Buffer device(layout.page_bytes(), context.device);
  KvPages pages{static_cast<std::byte*>(device.data()), layout};
  pages.num_slots = 1;
  pages.host_base = host.as<std::byte>();
  pages.host_slot_bytes = layout.page_bytes();
  pages.host_head_stride = layout.head_bytes();
  pages.num_host_slots = host_slots;
  // Twice the room of a step: sets seldom overflow, and what comes back after three other steps has gone.
  HotBuffer hot(
      context, layout, pages.num_slots,
      {.num_pages = 2 * at_once, .num_host_slots = host_slots, .max_lists = batch * heads, .list_capacity = listed});
  std::vector<HostRows> turns;
  for (int64_t turn = 0; turn < kTurns; ++turn) turns.emplace_back(context, layout, batch, listed, turn);
  std::vector<int32_t> list;
  for (int64_t i = 0; i < batch * heads; ++i)
    for (int64_t page = 1; page <= listed; ++page) list.push_back(static_cast<int32_t>(page));
  const DeviceTensor lists = integers(context, list);
  const DeviceTensor counts =
      integers(context, std::vector<int32_t>(static_cast<size_t>(batch * heads), static_cast<int32_t>(listed)));
  const PageSelection selection{listed, lists.view.as<int32_t>(), counts.view.as<int32_t>()};
  const auto fetch = [&](int64_t turn) { hot.fetch(turns[static_cast<size_t>(turn)].rows, 0, pages, selection); };
  const auto measure = [&](const char* what, int64_t rotation) {
    // Full sets leave some pages where they lie: what is copied is counted.
    for (int64_t i = 0; i < 2 * rotation; ++i) fetch(i % rotation);
    const HotTotals before = hot.totals();
    for (int64_t i = 0; i < rotation; ++i) fetch(i);
    const auto blocks = static_cast<double>(hot.totals().fetched - before.fetched) / static_cast<double>(rotation);
    const std::string shape =
        fmt::format("{} {}: {} x {}", what, name_of(layout.format), batch, page_text(layout, listed));
    table.measure({"hot_pages",
                   shape,
                   {blocks * static_cast<double>(layout.layer_bytes(0)), 0.0},
                   rotation,
                   /*has_limit=*/false},
                  [&](int64_t i) { fetch(i % rotation); });
  };
  measure("fetched", kTurns);
  measure("hot", 1);
}

}  // namespace

void measure_pages(KernelTable& table, const KernelShapes& shapes) {
  for (const int64_t wanted : shapes.prompts) {
    if (!table.wants("seal_pages") && !table.wants("index_pages")) break;
    shrink_to_fit("pages of a prompt, tokens", wanted, [&](int64_t tokens) { measure_filled(table, shapes, tokens); });
  }
  measure_transcode(table, shapes);
  if (table.context().device.kind != DeviceKind::kCuda || !table.wants("hot_pages")) return;
  for (const int64_t context_tokens : shapes.contexts) {
    for (const int64_t wanted : shapes.batches)
      shrink_to_fit("hot pages, batch", wanted,
                    [&](int64_t batch) { measure_hot(table, shapes, batch, context_tokens); });
  }
}

}  // namespace lockstep::bench
