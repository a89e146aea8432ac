#include "kernels/linear.h"
#include "launcher/commands/bench/device_data.h"
#include "launcher/commands/bench/kernel_table.h"

namespace lockstep::bench {
namespace {

struct Product {
  std::string name;
  int64_t out = 0, in = 0;
  SegmentBounds segments;
};

std::vector<Product> products_of(const KernelShapes& shapes) {
  const int64_t hidden = shapes.config.hidden_size, head = shapes.config.head_dim, ffn = shapes.shard.ffn.size();
  const int64_t query = shapes.shard.query_heads.size() * head, kv = shapes.shard.kv_heads.size() * head;
  return {{"qkv", query + 2 * kv, hidden, {0, hidden}},
          {"output", hidden, query, shapes.shard.output_segments},
          {"gate_up", 2 * ffn, hidden, {0, hidden}},
          {"down", hidden, ffn, shapes.shard.down_segments},
          {"lm_head", shapes.shard.vocab.size(), hidden, {0, hidden}}};
}

// The weight as often as it takes that none lies in a cache when its turn comes.
std::vector<LinearWeight> copies_of(const KernelTable& table, const Product& product, DType dtype) {
  const HostTensor host = random_on_host(dtype, {product.out, product.in}, 0.02F);
  const ConstTensorView parts[] = {host.view};
  const int64_t count = table.rotation(static_cast<double>(product.out * product.in * size_of(dtype)));
  std::vector<LinearWeight> weights;
  for (int64_t i = 0; i < count; ++i)
    weights.push_back(pack_linear_weight(table.context(), parts, {}, product.segments));
  return weights;
}

void measure(KernelTable& table, const Product& product, const std::vector<LinearWeight>& weights, DType dtype,
             int64_t tokens) {
  const OpContext& context = table.context();
  const DeviceTensor x = random_tensor(context, dtype, {tokens, product.in});
  const DeviceTensor out(context, DType::kF32, {tokens, product.out});
  const auto m = static_cast<double>(tokens), n = static_cast<double>(product.out), k = static_cast<double>(product.in);
  const auto element = static_cast<double>(size_of(dtype));
  const Cost cost{(n * k + m * k) * element + 4.0 * m * n, 2.0 * m * n * k};
  const auto rotation = static_cast<int64_t>(weights.size());
  table.measure(
      {"linear", fmt::format("{} {} x {} x {}", product.name, tokens, product.out, product.in), cost, rotation},
      [&](int64_t i) { linear(context, x.view, weights[static_cast<size_t>(i % rotation)], out.view); });
}

}  // namespace

void measure_products(KernelTable& table, const KernelShapes& shapes) {
  if (!table.wants("linear")) return;
  for (const Product& product : products_of(shapes)) {
    shrink_to_fit("product " + product.name + ", 1 of", 1, [&](int64_t) {
      const std::vector<LinearWeight> weights = copies_of(table, product, shapes.dtype);
      for (const int64_t wanted : shapes.tokens) {
        shrink_to_fit("product " + product.name + ", rows", wanted,
                      [&](int64_t tokens) { measure(table, product, weights, shapes.dtype, tokens); });
      }
    });
  }
}

}  // namespace lockstep::bench
