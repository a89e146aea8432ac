#include "kernels/paged_attention.h"
#include "launcher/commands/bench/device_data.h"
#include "launcher/commands/bench/kernel_table.h"
#include "launcher/commands/bench/paged_batch.h"

#include <cmath>

namespace lockstep::bench {
namespace {

struct Heads {
  int64_t query, kv, size;
};

// `layers` stands for the layers of a model: calls take turns in them.
void measure(KernelTable& table, const KernelCase& one, const KernelShapes& shapes, const Heads& heads,
             int64_t num_rows, int64_t tokens, int64_t context_tokens) {
  const OpContext& context = table.context();
  const KvLayout layout{shapes.page_tokens, heads.kv, one.rotation, heads.size, shapes.dtype};
  const PagedBatch batch(context, layout, num_rows, tokens, context_tokens);
  const DeviceTensor q = random_tensor(context, DType::kF32, {num_rows * tokens, heads.query, heads.size});
  const DeviceTensor out(context, shapes.dtype, {num_rows * tokens, heads.query * heads.size});
  const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(heads.size)));
  table.measure(one, [&](int64_t i) {
    paged_attention(context, q.view, batch.rows(), i % one.rotation, batch.pages(), scale, 0, out.view);
  });
}

}  // namespace

void measure_attention(KernelTable& table, const KernelShapes& shapes) {
  if (!table.wants("paged_attention")) return;
  const Heads heads{shapes.shard.query_heads.size(), shapes.shard.kv_heads.size(), shapes.config.head_dim};
  const auto element = static_cast<double>(size_of(shapes.dtype));
  const auto query = static_cast<double>(heads.query * heads.size), kv = static_cast<double>(heads.kv * heads.size);
  const auto width = fmt::format("{}/{} heads x {}", heads.query, heads.kv, heads.size);
  for (const int64_t context_tokens : shapes.contexts) {
    for (const int64_t wanted : shapes.batches) {
      shrink_to_fit("decode attention, batch", wanted, [&](int64_t batch) {
        const double seen = static_cast<double>(batch) * static_cast<double>(context_tokens);
        const double kv_bytes = seen * 2.0 * kv * element;
        const double bytes = kv_bytes + static_cast<double>(batch) * query * (4.0 + element);
        measure(table,
                {"paged_attention",
                 fmt::format("decode {} x {}, {}", batch, context_tokens, width),
                 {bytes, seen * 4.0 * query},
                 table.rotation(kv_bytes)},
                shapes, heads, batch, 1, context_tokens);
      });
    }
  }
  for (const int64_t wanted : shapes.prompts) {
    shrink_to_fit("prefill attention, tokens", wanted, [&](int64_t tokens) {
      const auto length = static_cast<double>(tokens);
      const double bytes = length * (2.0 * kv * element + query * (4.0 + element));
      measure(table,
              {"paged_attention",
               fmt::format("prefill {}, {}", tokens, width),
               {bytes, 4.0 * query * length * (length + 1.0) / 2.0},
               1},
              shapes, heads, 1, tokens, tokens);
    });
  }
}

}  // namespace lockstep::bench
