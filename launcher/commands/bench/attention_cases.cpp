#include "kernels/page_summaries.h"
#include "kernels/paged_attention.h"
#include "kernels/select_pages.h"
#include "launcher/commands/bench/device_data.h"
#include "launcher/commands/bench/kernel_table.h"
#include "launcher/commands/bench/paged_batch.h"

#include <cmath>
#include <cstdio>

namespace lockstep::bench {
namespace {

struct Heads {
  int64_t query, kv, size;

  explicit Heads(const KernelShapes& shapes)
      : query(shapes.shard.query_heads.size()), kv(shapes.shard.kv_heads.size()), size(shapes.config.head_dim) {}
  std::string text() const { return fmt::format("{}/{} heads x {}", query, kv, size); }
  float scale() const { return static_cast<float>(1.0 / std::sqrt(static_cast<double>(size))); }
};

// `layers` stands for the layers of a model: calls take turns in them.
KvLayout layout_of(const KernelShapes& shapes, const Heads& heads, int64_t layers) {
  return {shapes.page_tokens, heads.kv, layers, heads.size, shapes.dtype, shapes.format};
}

// "decode" in the model's dtype, "decode kv8" in codes.
std::string kind(const char* name, const KernelShapes& shapes) {
  return shapes.format == KvFormat::kFull ? name : fmt::format("{} {}", name, name_of(shapes.format));
}

void measure(KernelTable& table, const KernelCase& one, const KernelShapes& shapes, const Heads& heads,
             int64_t num_rows, int64_t tokens, int64_t context_tokens) {
  const OpContext& context = table.context();
  const PagedBatch batch(context, layout_of(shapes, heads, one.rotation), num_rows, tokens, context_tokens);
  const DeviceTensor q = random_tensor(context, DType::kF32, {num_rows * tokens, heads.query, heads.size});
  const DeviceTensor out(context, shapes.dtype, {num_rows * tokens, heads.query * heads.size});
  table.measure(one, [&](int64_t i) {
    paged_attention(context, q.view, batch.rows(), i % one.rotation, batch.pages(), heads.scale(), 0, out.view);
  });
}

// Queries and what they come to, of so many tokens.
double row_bytes(const KernelShapes& shapes, const Heads& heads, double tokens) {
  return tokens * static_cast<double>(heads.query * heads.size * (4 + size_of(shapes.dtype)));
}

void measure_decode(KernelTable& table, const KernelShapes& shapes, int64_t batch, int64_t context_tokens) {
  const Heads heads(shapes);
  const auto rows = static_cast<double>(batch);
  const double kv_bytes = rows * static_cast<double>(heads.kv) *
                          attended_bytes(layout_of(shapes, heads, 1), context_tokens - 1, context_tokens);
  const double flops = rows * static_cast<double>(context_tokens * 4 * heads.query * heads.size);
  measure(table,
          {"paged_attention",
           fmt::format("{} {} x {}, {}", kind("decode", shapes), batch, context_tokens, heads.text()),
           {kv_bytes + row_bytes(shapes, heads, rows), flops},
           table.rotation(kv_bytes)},
          shapes, heads, batch, 1, context_tokens);
}

void measure_prefill(KernelTable& table, const KernelShapes& shapes, int64_t tokens) {
  const Heads heads(shapes);
  const auto length = static_cast<double>(tokens);
  const double kv_bytes = static_cast<double>(heads.kv) * attended_bytes(layout_of(shapes, heads, 1), 0, tokens);
  const double flops = static_cast<double>(4 * heads.query * heads.size) * length * (length + 1.0) / 2.0;
  measure(table,
          {"paged_attention",
           fmt::format("{} {}, {}", kind("prefill", shapes), tokens, heads.text()),
           {kv_bytes + row_bytes(shapes, heads, length), flops},
           1},
          shapes, heads, 1, tokens, tokens);
}

// The choice of pages, then attention to them alone, each by itself.
void measure_sparse(KernelTable& table, const KernelShapes& shapes, int64_t batch, int64_t context_tokens) {
  const OpContext& context = table.context();
  const Heads heads(shapes);
  const SparseRule& rule = shapes.sparse;
  const int64_t num_pages = (context_tokens + shapes.page_tokens - 1) / shapes.page_tokens;
  const int64_t listed = most_selected_pages(rule, num_pages);
  if (listed >= num_pages) {
    std::printf("sparse attention: of %lld tokens, %lld pages, all are read; left out\n",
                static_cast<long long>(context_tokens), static_cast<long long>(num_pages));
    return;
  }
  KvLayout layout = layout_of(shapes, heads, 1);
  layout.has_summaries = !layout.is_coded();
  const auto rows = static_cast<double>(batch), lists = rows * static_cast<double>(heads.kv);
  const double entry_bytes = lists * static_cast<double>((num_pages - 1) * summary_entry_bytes(layout));
  const double kv_bytes = lists * listed_bytes(layout, listed, context_tokens);
  const double query = rows * static_cast<double>(heads.query * heads.size);
  const int64_t rotation = layout.num_layers = table.rotation(std::min(entry_bytes, kv_bytes));

  const PagedBatch pages(context, layout, batch, 1, context_tokens, /*has_table=*/true);
  const DeviceTensor q = random_tensor(context, DType::kF32, {batch, heads.query, heads.size});
  const DeviceTensor out(context, shapes.dtype, {batch, heads.query * heads.size});
  const DeviceTensor list(context, DType::kI32, {rotation * batch * heads.kv * listed});
  const DeviceTensor counts(context, DType::kI32, {rotation * batch * heads.kv});
  const auto lists_of = [&](int64_t layer) {
    return SelectionLists{listed, list.view.as<int32_t>() + layer * batch * heads.kv * listed,
                          counts.view.as<int32_t>() + layer * batch * heads.kv, nullptr};
  };
  const auto select = [&](int64_t i) {
    select_pages(context, q.view, pages.rows(), i % rotation, pages.pages(), heads.scale(), 0, rule,
                 lists_of(i % rotation));
  };
  const std::string shape =
      fmt::format("{} {} x {} of {}, {}", kind("sparse", shapes), batch, listed, num_pages, heads.text());
  if (table.wants("select_pages")) {
    const double flops = query * static_cast<double>(4 * (num_pages - 1));
    table.measure({"select_pages", shape, {entry_bytes + 4.0 * query, flops}, rotation}, select);
  }
  if (!table.wants("paged_attention")) return;
  for (int64_t layer = 0; layer < rotation; ++layer) select(layer);
  const double flops = query * static_cast<double>(4 * listed * shapes.page_tokens);
  table.measure({"paged_attention", shape, {kv_bytes + row_bytes(shapes, heads, rows), flops}, rotation},
                [&](int64_t i) {
                  const PageSelection selection = lists_of(i % rotation).view();
                  paged_attention(context, q.view, pages.rows(), i % rotation, pages.pages(), heads.scale(), 0,
                                  out.view, &selection);
                });
}

}  // namespace

void measure_attention(KernelTable& table, const KernelShapes& shapes) {
  const bool wants_attention = table.wants("paged_attention");
  for (const int64_t context_tokens : shapes.contexts) {
    for (const int64_t wanted : shapes.batches) {
      if (!wants_attention) continue;
      shrink_to_fit("decode attention, batch", wanted,
                    [&](int64_t batch) { measure_decode(table, shapes, batch, context_tokens); });
    }
  }
  for (const int64_t context_tokens : shapes.contexts) {
    for (const int64_t wanted : shapes.batches) {
      if (!wants_attention && !table.wants("select_pages")) continue;
      shrink_to_fit("sparse attention, batch", wanted,
                    [&](int64_t batch) { measure_sparse(table, shapes, batch, context_tokens); });
    }
  }
  for (const int64_t wanted : shapes.prompts) {
    if (!wants_attention) continue;
    shrink_to_fit("prefill attention, tokens", wanted, [&](int64_t tokens) { measure_prefill(table, shapes, tokens); });
  }
}

}  // namespace lockstep::bench
