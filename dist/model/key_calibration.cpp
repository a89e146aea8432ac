#include "dist/model/key_calibration.h"

#include "cache/device_pool.h"
#include "core/copy.h"
#include "core/error.h"
#include "core/philox.h"
#include "kernels/key_noise.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace lockstep {
namespace {

// Pages [first, end) of a prompt whose pages are 0, 1, …; no cache operations.
StepPlan random_tokens(int64_t first, int64_t end, int64_t page_tokens, int64_t vocab_size) {
  StepPlan plan;
  PlanRow& row = plan.rows.emplace_back();
  row.first_position = first * page_tokens;
  for (int64_t i = first * page_tokens; i < end * page_tokens; ++i) {
    const uint64_t drawn = philox_uniform_bits(0, static_cast<uint64_t>(i)) % static_cast<uint64_t>(vocab_size);
    row.tokens.emplace_back(static_cast<int32_t>(drawn));
  }
  row.wants_logits = true;
  for (int64_t page = 0; page < end; ++page) row.pages.emplace_back(page);
  return plan;
}

PageTable table_of(int64_t num_pages) {
  StepPlan plan;
  for (int64_t page = 0; page < num_pages; ++page) {
    plan.ops.push_back({PageOpKind::kAllocate, PageId(page), SlotId(static_cast<int32_t>(page))});
  }
  PageTable table(num_pages);
  table.apply(plan);
  return table;
}

std::vector<std::byte> on_host(const OpContext& context, const DevicePool& pool) {
  std::vector<std::byte> bytes(static_cast<size_t>(pool.num_slots() * pool.pages().layout.page_bytes()));
  copy_async(*context.stream, bytes.data(), pool.pages().base, static_cast<int64_t>(bytes.size()));
  context.stream->synchronize();
  return bytes;
}

}  // namespace

std::vector<double> key_signal_to_noise(const OpContext& context, Decoder& decoder, Communicator& group,
                                        const ModelConfig& model, int64_t page_tokens, int64_t max_step_tokens) {
  const int64_t num_pages = calibration_tokens(model) / page_tokens;
  if (num_pages == 0) return {};
  const KvLayout layout = decoder.kv_layout(page_tokens);
  const DevicePool pool(layout, num_pages, context.device);
  const PageTable table = table_of(num_pages);
  const int64_t step = std::max<int64_t>(max_step_tokens / page_tokens, 1);
  const BatchLimits limits{.tokens = step * page_tokens, .rows = 1, .pages = num_pages};
  ForwardBatch batch(context.device, limits, {.page_tokens = page_tokens});
  for (int64_t first = 0; first < num_pages; first += step) {
    const int64_t end = std::min(first + step, num_pages);
    batch.assign(random_tokens(first, end, page_tokens, model.vocab_size), table);
    batch.upload(context, {});
    decoder.forward(batch, pool.pages());
  }

  const std::vector<std::byte> pages = on_host(context, pool);
  OpContext cpu = context;
  cpu.device = Device::cpu();
  const RopeTable rope = make_rope_table(cpu, model, num_pages * page_tokens);
  std::vector<double> decibels(static_cast<size_t>(layout.num_layers));
  context.threads->parallel_for(layout.num_layers, 1, [&](int64_t begin, int64_t end) {
    for (int64_t layer = begin; layer < end; ++layer) {
      double least = HUGE_VAL;
      for (int64_t head = 0; head < layout.num_kv_heads; ++head) {
        KeyNoise sum;
        for (int64_t page = 0; page < num_pages; ++page) {
          sum += key_noise(layout, pages.data() + page * layout.page_bytes(), head, layer, page * page_tokens, &rope);
        }
        least = std::min(least, sum.decibels());
      }
      decibels[static_cast<size_t>(layer)] = least;
    }
  });
  // As whole thousandths, which ranks compare exactly. Keys without noise count as 1000 dB.
  constexpr double kMost = 1000.0, kSteps = 1000.0;
  for (double& value : decibels) {
    const double bounded = std::isnan(value) ? -kMost : std::clamp(value, -kMost, kMost);
    value = static_cast<double>(group.all_reduce_min(static_cast<int64_t>(std::llround(bounded * kSteps)))) / kSteps;
  }
  return decibels;
}

LayerSet layers_of_wide_keys(const std::vector<double>& decibels) {
  LayerSet wide;
  for (size_t layer = 0; layer < decibels.size(); ++layer) {
    if (decibels[layer] < kLeastKeyDecibels) wide.insert(static_cast<int64_t>(layer));
  }
  return wide;
}

}  // namespace lockstep
