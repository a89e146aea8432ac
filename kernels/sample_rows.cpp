#include "kernels/sample_rows.h"

#include "kernels/backends.h"
#include "kernels/check.h"
#include "kernels/cuda_api.h"
#include "kernels/sample_weights.h"

namespace lockstep {
namespace {

constexpr size_t kMaxShards = 1024;

void check_tokens(const char* op, const OpContext& context, ConstTensorView tokens, int64_t num_rows) {
  check_shape(op, "tokens", tokens, {num_rows});
  check_dtype(op, "tokens", tokens, {DType::kI32});
  check_device(op, "tokens", tokens, context);
}

}  // namespace

bool can_sample_on_device(const SamplingParams& params) {
  return !params.has_penalties() && params.logit_bias.empty() && params.min_tokens == 0 && !params.logprobs;
}

void sample_rows(const OpContext& context, ConstTensorView logits, const RowSampling* rows, TensorView tokens) {
  check_context("sample_rows", context);
  check_shape("sample_rows", "logits", logits, {-1, -1});
  check_dtype("sample_rows", "logits", logits, {DType::kF32});
  check_device("sample_rows", "logits", logits, context);
  check_tokens("sample_rows", context, tokens, logits.size(0));
  LS_REQUIRE(ShapeError, logits.size(1) >= 1 && logits.size(1) <= kMaxSampledVocabulary,
             "sample_rows: logits of shape {}; rows have 1 to {} columns", logits.shape().to_string(),
             kMaxSampledVocabulary);
  LS_REQUIRE(ShapeError, rows != nullptr || logits.size(0) == 0, "sample_rows: no settings for {} rows",
             logits.size(0));
  switch (context.device.kind) {
    case DeviceKind::kCpu: return cpu::sample_rows(context, logits, rows, tokens);
    case DeviceKind::kCuda: return cuda_kernels().sample_rows(context, logits, rows, tokens);
  }
}

void select_best(const OpContext& context, std::span<const ArgmaxResult> shards, TensorView tokens) {
  check_context("select_best", context);
  check_tokens("select_best", context, tokens, -1);
  const auto num_rows = static_cast<size_t>(tokens.size(0));
  LS_REQUIRE(ShapeError, num_rows == 0 ? shards.empty() : !shards.empty() && shards.size() % num_rows == 0,
             "select_best: {} results of shards for {} rows", shards.size(), num_rows);
  switch (context.device.kind) {
    case DeviceKind::kCpu: return cpu::select_best(context, shards, tokens);
    case DeviceKind::kCuda: return cuda_kernels().select_best(context, shards, tokens);
  }
}

void join_shards(const OpContext& context, ConstTensorView shards, std::span<const int64_t> bounds, TensorView out) {
  check_context("join_shards", context);
  check_shape("join_shards", "shards", shards, {-1, -1, -1});
  LS_REQUIRE(ShapeError, bounds.size() == static_cast<size_t>(shards.size(0)) + 1 && bounds.size() <= kMaxShards + 1,
             "join_shards: {} bounds for {} shards; one more than shards, of which there are at most {}", bounds.size(),
             shards.size(0), kMaxShards);
  LS_REQUIRE(ShapeError, bounds.front() == 0, "join_shards: bounds start at {}, not at 0", bounds.front());
  for (size_t s = 1; s < bounds.size(); ++s) {
    const int64_t width = bounds[s] - bounds[s - 1];
    LS_REQUIRE(ShapeError, width >= 0 && width <= shards.size(2),
               "join_shards: shard {} from {} to {}; ascending and at most {} apart", s - 1, bounds[s - 1], bounds[s],
               shards.size(2));
  }
  check_shape("join_shards", "out", out, {shards.size(1), bounds.back()});
  check_dtype("join_shards", "shards", shards, {DType::kF32});
  check_dtype("join_shards", "out", out, {DType::kF32});
  check_device("join_shards", "shards", shards, context);
  check_device("join_shards", "out", out, context);
  LS_REQUIRE(ShapeError, shards.is_contiguous() && out.is_contiguous(), "join_shards: shards and out are contiguous");
  switch (context.device.kind) {
    case DeviceKind::kCpu: return cpu::join_shards(context, shards, bounds, out);
    case DeviceKind::kCuda: return cuda_kernels().join_shards(context, shards, bounds, out);
  }
}

}  // namespace lockstep
