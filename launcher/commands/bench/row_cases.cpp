#include "kernels/embedding.h"
#include "kernels/gather_rows.h"
#include "kernels/rms_norm.h"
#include "kernels/rope.h"
#include "kernels/swiglu.h"
#include "launcher/commands/bench/device_data.h"
#include "launcher/commands/bench/kernel_table.h"
#include "launcher/commands/bench/paged_batch.h"

#include <algorithm>

namespace lockstep::bench {
namespace {

constexpr float kEps = 1e-5F;
constexpr int64_t kF32 = 4;

TensorView turn(const DeviceTensor& tensor, int64_t i, int64_t rotation, int64_t rows) {
  const int64_t place = i % rotation;
  return tensor.view.slice(0, place * rows, (place + 1) * rows);
}

// Scattered rows of a table, as tokens of a text are.
std::vector<int32_t> scattered(int64_t count, int64_t rows) {
  constexpr int64_t kStep = 7919;  // a prime
  std::vector<int32_t> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(static_cast<int32_t>((i * kStep + 1) % rows));
  return values;
}

void norms(KernelTable& table, const KernelShapes& shapes, int64_t tokens) {
  const OpContext& context = table.context();
  const int64_t hidden = shapes.config.hidden_size, element = size_of(shapes.dtype);
  const std::string shape = fmt::format("{} x {}", tokens, hidden);
  const auto numbers = static_cast<double>(tokens * hidden);
  const double norm_bytes = numbers * static_cast<double>(kF32 + element);
  const double add_bytes = numbers * static_cast<double>(3 * kF32 + element);
  const int64_t rotation = table.rotation(norm_bytes);
  const DeviceTensor weight = random_tensor(context, shapes.dtype, {hidden});
  const DeviceTensor in = random_tensor(context, DType::kF32, {rotation * tokens, hidden});
  const DeviceTensor out(context, shapes.dtype, {rotation * tokens, hidden});
  if (table.wants("rms_norm")) {
    table.measure({"rms_norm", shape, {norm_bytes, 4.0 * numbers}, rotation}, [&](int64_t i) {
      rms_norm(context, turn(in, i, rotation, tokens), weight.view, kEps, turn(out, i, rotation, tokens));
    });
  }
  if (!table.wants("add_rms_norm")) return;
  // Nothing is added, or the sum would grow with every call.
  DeviceTensor delta(context, DType::kF32, {rotation * tokens, hidden});
  delta.storage.fill_zero();
  table.measure({"add_rms_norm", shape, {add_bytes, 5.0 * numbers}, rotation}, [&](int64_t i) {
    add_rms_norm(context, turn(in, i, rotation, tokens), turn(delta, i, rotation, tokens), weight.view, kEps,
                 turn(out, i, rotation, tokens));
  });
}

void rope_case(KernelTable& table, const KernelShapes& shapes, int64_t tokens) {
  const OpContext& context = table.context();
  const int64_t head = shapes.config.head_dim;
  const int64_t query = shapes.shard.query_heads.size(), kv = shapes.shard.kv_heads.size();
  const KvLayout layout{shapes.page_tokens, kv, 1, head, shapes.dtype};
  const PagedBatch batch(context, layout, /*num_rows=*/1, tokens, tokens);
  const RopeTable rope = make_rope_table(context, shapes.config, std::max<int64_t>(tokens, 2));
  const auto numbers = static_cast<double>(tokens * head);
  const double bytes = numbers * static_cast<double>(2 * kF32 * query + kF32 * 2 * kv + size_of(shapes.dtype) * 2 * kv);
  const int64_t rotation = table.rotation(bytes);
  const DeviceTensor qkv = random_tensor(context, DType::kF32, {rotation * tokens, query + 2 * kv, head});
  const std::string shape = fmt::format("{} x {}/{} heads x {}", tokens, query, kv, head);
  const double flops = 3.0 * numbers * static_cast<double>(query + kv);
  table.measure({"rope_and_write_kv", shape, {bytes, flops}, rotation}, [&](int64_t i) {
    const TensorView x = turn(qkv, i, rotation, tokens);
    rope_and_write_kv(context, x.slice(1, 0, query), x.slice(1, query, query + kv),
                      x.slice(1, query + kv, query + 2 * kv), batch.positions(), rope, batch.rows(), 0, batch.pages());
  });
}

void swiglu_case(KernelTable& table, const KernelShapes& shapes, int64_t tokens) {
  const OpContext& context = table.context();
  const int64_t ffn = shapes.shard.ffn.size();
  const auto numbers = static_cast<double>(tokens * ffn);
  const double bytes = numbers * static_cast<double>(2 * kF32 + size_of(shapes.dtype));
  const int64_t rotation = table.rotation(bytes);
  const DeviceTensor in = random_tensor(context, DType::kF32, {rotation * tokens, 2 * ffn});
  const DeviceTensor out(context, shapes.dtype, {rotation * tokens, ffn});
  table.measure({"swiglu", fmt::format("{} x {}", tokens, ffn), {bytes, 5.0 * numbers}, rotation},
                [&](int64_t i) { swiglu(context, turn(in, i, rotation, tokens), turn(out, i, rotation, tokens)); });
}

// Both pick rows: of the vocabulary, and of the tokens whose logits are wanted.
void picking(KernelTable& table, const KernelShapes& shapes, int64_t tokens) {
  const OpContext& context = table.context();
  const int64_t hidden = shapes.config.hidden_size, element = size_of(shapes.dtype);
  const std::string shape = fmt::format("{} x {}", tokens, hidden);
  const auto numbers = static_cast<double>(tokens * hidden);
  if (table.wants("embedding")) {
    const int64_t vocab = shapes.shard.vocab.size();
    const DeviceTensor rows = random_tensor(context, shapes.dtype, {vocab, hidden});
    const DeviceTensor ids = integers(context, scattered(tokens, vocab));
    const DeviceTensor out(context, DType::kF32, {tokens, hidden});
    table.measure({"embedding", shape, {numbers * static_cast<double>(kF32 + element), 0.0}},
                  [&](int64_t) { embedding(context, ids.view, rows.view, 0, out.view); });
  }
  if (table.wants("gather_rows")) {
    const DeviceTensor in = random_tensor(context, shapes.dtype, {2 * tokens, hidden});
    const DeviceTensor ids = integers(context, scattered(tokens, 2 * tokens));
    const DeviceTensor out(context, shapes.dtype, {tokens, hidden});
    table.measure({"gather_rows", shape, {numbers * static_cast<double>(2 * element), 0.0}},
                  [&](int64_t) { gather_rows(context, in.view, ids.view, out.view); });
  }
}

}  // namespace

void measure_row_operations(KernelTable& table, const KernelShapes& shapes) {
  for (const int64_t wanted : shapes.tokens) {
    shrink_to_fit("operations on rows", wanted, [&](int64_t tokens) {
      if (table.wants("embedding") || table.wants("gather_rows")) picking(table, shapes, tokens);
      if (table.wants("rms_norm") || table.wants("add_rms_norm")) norms(table, shapes, tokens);
      if (table.wants("rope_and_write_kv")) rope_case(table, shapes, tokens);
      if (table.wants("swiglu")) swiglu_case(table, shapes, tokens);
    });
  }
}

}  // namespace lockstep::bench
