#include "kernels/sample.h"
#include "kernels/sample_rows.h"
#include "launcher/commands/bench/device_data.h"
#include "launcher/commands/bench/kernel_table.h"

namespace lockstep::bench {
namespace {

Buffer settings_of(const OpContext& context, int64_t batch, const RowSampling& one) {
  std::vector<RowSampling> rows(static_cast<size_t>(batch), one);
  for (size_t i = 0; i < rows.size(); ++i) rows[i].seed = i;
  return copy_of(context, rows.data(), batch * int64_t{sizeof(RowSampling)});
}

void measure_batch(KernelTable& table, const KernelShapes& shapes, int64_t batch) {
  const OpContext& context = table.context();
  const int64_t shard = shapes.shard.vocab.size(), vocab = shapes.config.vocab_size;
  if (table.wants("argmax")) {
    const DeviceTensor logits = random_tensor(context, DType::kF32, {batch, shard}, 3.0F);
    const Buffer best(batch * int64_t{sizeof(ArgmaxResult)}, context.device);
    const std::span<ArgmaxResult> out(static_cast<ArgmaxResult*>(best.data()), static_cast<size_t>(batch));
    table.measure({"argmax", fmt::format("{} x {}", batch, shard), {static_cast<double>(4 * batch * shard), 0.0}},
                  [&](int64_t) { argmax_rows(context, logits.view, 0, out); });
  }
  if (!table.wants("sample_rows")) return;
  const DeviceTensor logits = random_tensor(context, DType::kF32, {batch, vocab}, 3.0F);
  const DeviceTensor tokens(context, DType::kI32, {batch});
  RowSampling greedy, nucleus;
  nucleus.temperature = 0.8;
  nucleus.top_p = 0.9;
  const std::pair<const char*, RowSampling> cases[] = {{"greedy", greedy}, {"top-p 0.9", nucleus}};
  for (const auto& [name, one] : cases) {
    const Buffer settings = settings_of(context, batch, one);
    const auto* const rows = static_cast<const RowSampling*>(settings.data());
    table.measure(
        {"sample_rows", fmt::format("{} {} x {}", name, batch, vocab), {static_cast<double>(4 * batch * vocab), 0.0}},
        [&](int64_t) { sample_rows(context, logits.view, rows, tokens.view); });
  }
}

}  // namespace

void measure_sampling(KernelTable& table, const KernelShapes& shapes) {
  for (const int64_t wanted : shapes.batches)
    shrink_to_fit("sampling, batch", wanted, [&](int64_t batch) { measure_batch(table, shapes, batch); });
}

}  // namespace lockstep::bench
