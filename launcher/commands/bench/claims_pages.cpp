#include "core/error.h"
#include "dist/communicator.h"
#include "dist/sharding.h"
#include "kernels/page_summaries.h"
#include "kernels/seal_pages.h"
#include "kernels/select_pages.h"
#include "launcher/commands/bench/claims.h"
#include "launcher/commands/bench/device_data.h"
#include "launcher/commands/bench/paged_batch.h"
#include "launcher/commands/bench/timer.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace lockstep::bench {
namespace {

SparseRule rule_of(const ClaimRun& run) {
  const AttentionSettings& settings = run.engine.attention;
  return {.ratio = sparse_ratio_of(run),
          .dense_below = 0,
          .dense_layers = 0,  // the layers that select are measured
          .sink_pages = settings.sparse_sink_pages,
          .recent_pages = settings.sparse_recent_pages,
          .least_pages = settings.sparse_least_pages,
          .mass = 1.0};  // as many pages as the ratio allows: the most that it costs
}

DType dtype_of(const ClaimRun& run) {
  return run.engine.model.dtype == "auto" ? run.model.dtype : parse_dtype(run.engine.model.dtype);
}

// Layers that calls take turns in, so that none finds its pages in a cache.
int64_t layers_beyond_caches(const KvLayout& one_layer, int64_t tokens) {
  constexpr int64_t kBytes = int64_t{256} << 20, kMost = 32;
  const int64_t bytes = one_layer.page_bytes() * one_layer.slots_for(tokens);
  return std::clamp<int64_t>((kBytes + bytes - 1) / bytes, 1, kMost);
}

// Writes the summaries of all pages: what selection reads must be those of the keys.
void seal_all(const OpContext& context, const KvPages& pages, int64_t num_pages) {
  std::vector<int32_t> slots(static_cast<size_t>(num_pages));
  for (int64_t i = 0; i < num_pages; ++i) slots[static_cast<size_t>(i)] = static_cast<int32_t>(i);
  const DeviceTensor keys = integers(context, slots);
  const auto* key_slots = keys.view.as<int32_t>();
  for (int64_t layer = 0; layer < pages.layout.num_layers; ++layer)
    seal_pages(context, {num_pages, key_slots, key_slots, key_slots}, layer, pages);
  context.stream->synchronize();
}

}  // namespace

double sparse_ratio_of(const ClaimRun& run) {
  constexpr double kRatio = 0.1;
  return run.engine.attention.is_sparse() ? run.engine.attention.sparse_ratio : kRatio;
}

std::vector<Claim> measure_sparse(const ClaimRun& run, const Runtime& runtime) {
  if (run.world.rank().value() != 0) return {};
  const OpContext& context = runtime.context();
  const ModelShard shard = shard_of(run.model, run.world.size(), run.world.rank());
  const int64_t heads = shard.query_heads.size(), head_dim = run.model.head_dim, tokens = run.sizes.context;
  KvLayout layout{run.engine.cache.page_tokens, shard.kv_heads.size(), 1, head_dim, dtype_of(run)};
  layout.has_summaries = true;
  layout.num_layers = layers_beyond_caches(layout, tokens);
  const PagedBatch batch(context, layout, 1, 1, tokens);
  const int64_t num_pages = layout.slots_for(tokens);
  const Buffer table(num_pages * summary_slot_bytes(layout), context.device);
  KvPages pages = batch.pages();
  pages.summaries = static_cast<std::byte*>(table.data());
  pages.num_summaries = num_pages;
  seal_all(context, pages, num_pages);

  const SparseRule rule = rule_of(run);
  const int64_t capacity = most_selected_pages(rule, num_pages);
  const DeviceTensor is_sparse = integers(context, {1}), q = random_tensor(context, DType::kF32, {1, heads, head_dim}),
                     out(context, layout.dtype, {1, heads * head_dim}),
                     list(context, DType::kI32, {layout.num_kv_heads * capacity}),
                     counts(context, DType::kI32, {layout.num_kv_heads});
  RaggedRows rows = batch.rows();
  rows.is_sparse = is_sparse.view.as<int32_t>();
  const SelectionLists lists{capacity, list.view.as<int32_t>(), counts.view.as<int32_t>(), nullptr};
  const PageSelection selection = lists.view();
  const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_dim)));
  const TimerSettings timer{.repeats = 1, .least_seconds = 0.05, .rotation = layout.num_layers};
  std::vector<double> dense, sparse;
  for (int64_t repeat = 0; repeat < run.sizes.repeats; ++repeat) {
    dense.push_back(seconds_per_call(context, timer, [&](int64_t i) {
                      paged_attention(context, q.view, rows, i % layout.num_layers, pages, scale, 0, out.view);
                    }).median);
    sparse.push_back(seconds_per_call(context, timer, [&](int64_t i) {
                       const int64_t layer = i % layout.num_layers;
                       select_pages(context, q.view, rows, layer, pages, scale, 0, rule, lists);
                       paged_attention(context, q.view, rows, layer, pages, scale, 0, out.view, &selection);
                     }).median);
  }
  const auto entries = static_cast<double>(capacity < num_pages ? (num_pages - 1) * summary_entry_bytes(layout) : 0);
  const double read = (entries + listed_bytes(layout, capacity, tokens)) / attended_bytes(layout, tokens - 1, tokens);
  const std::string work = fmt::format(
      "one token behind {} in random {} pages of {}, {}/{} heads x {}, ratio {}: {} of {} pages", tokens,
      name_of(layout.dtype), layout.page_tokens, heads, layout.num_kv_heads, head_dim, rule.ratio, capacity, num_pages);
  return {judged("sparse-speed", speedup_of(dense, sparse),
                 fmt::format("{}, {:.1f} % of the bytes of dense; dense {:.1f} us, selection and sparse {:.1f} us; "
                             "attention alone, not the step",
                             work, 100.0 * read, 1e6 * spread_of(dense).median, 1e6 * spread_of(sparse).median),
                 "summaries of all pages are read, and short lists leave little to divide among threads")};
}

std::string coded_pages_need(int64_t page_tokens) {
  return fmt::format("cache.page_tokens = {}: codes need multiples of 16", page_tokens);
}

std::vector<Claim> measure_page_bytes(const ClaimRun& run) {
  const int64_t page_tokens = run.engine.cache.page_tokens;
  const auto claim = [&](std::string_view name, KvFormat format, int64_t bits) {
    KvLayout full{page_tokens, run.model.num_kv_heads, run.model.num_layers, run.model.head_dim, DType::kBF16};
    KvLayout coded = full;
    coded.format = format;
    const double codes = static_cast<double>(bits) / 16.0;
    const double share = static_cast<double>(coded.page_bytes()) / static_cast<double>(full.page_bytes());
    return judged_for_all(
        name, 1.0 - share,
        fmt::format("bytes of a sealed page of {} tokens, head size {}, all scales and summaries counted: {} of {} in "
                    "BF16; the page being written stays in the model's dtype{}",
                    page_tokens, run.model.head_dim, coded.page_bytes(), full.page_bytes(),
                    format == KvFormat::kKv4 ? ", a sequence's first page has 8 bits, and so have keys of layers that "
                                               "the guard finds too coarse (see kv4-accuracy)"
                                             : ""),
        fmt::format("codes of {} bits alone are {:.0f} %; scales, summaries and padding add {:.1f} %", bits,
                    100.0 * codes, 100.0 * (share - codes)));
  };
  if (page_tokens % 16 != 0) {
    const std::string reason = coded_pages_need(page_tokens);
    return {not_measurable("kv8-bytes", reason, ""), not_measurable("kv4-bytes", reason, "")};
  }
  return {claim("kv8-bytes", KvFormat::kKv8, 8), claim("kv4-bytes", KvFormat::kKv4, 4)};
}

}  // namespace lockstep::bench
