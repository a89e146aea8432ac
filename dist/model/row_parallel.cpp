#include "dist/model/row_parallel.h"

#include "core/trace.h"
#include "kernels/add_bias.h"
#include "kernels/embedding.h"
#include "kernels/rms_norm.h"

#include <optional>

namespace lockstep {
namespace {

// Runs `produce` on memory that the sum over ranks reads without a copy. A group of one writes the result directly.
template <class Produce>
void sum_over_ranks(const OpContext& context, Communicator& communicator, TensorView out, Produce&& produce) {
  if (communicator.size() == 1) return produce(out);
  const int64_t bytes = out.shape().num_elements() * size_of(out.dtype());
  const TensorView partial(communicator.partial_buffer(bytes), out.dtype(), out.shape(), context.device);
  produce(partial);
  const StreamSpan span(context.tracer, context.stream, "all-reduce", TraceTrack::kCollectives, "bytes", bytes);
  communicator.all_reduce_sum(context, partial, out);
}

// Nothing for a layer without bias.
std::optional<ConstTensorView> bias_of(const RowParallelWeight& weight) {
  if (weight.bias.bytes() == 0) return std::nullopt;
  return weight.bias.view(DType::kF32, {weight.weight.out_features});
}

}  // namespace

void row_parallel_linear(const OpContext& context, Communicator& communicator, ConstTensorView x,
                         const RowParallelWeight& weight, TensorView out) {
  sum_over_ranks(context, communicator, out, [&](TensorView partial) { linear(context, x, weight.weight, partial); });
  if (const auto bias = bias_of(weight)) add_bias(context, out, *bias);
}

void row_parallel_add_rms_norm(const OpContext& context, Communicator& communicator, ConstTensorView x,
                               const RowParallelWeight& weight, TensorView residual, ConstTensorView norm, float eps,
                               TensorView scratch, TensorView out) {
  if (communicator.size() == 1 || context.device.kind == DeviceKind::kCpu) {
    row_parallel_linear(context, communicator, x, weight, scratch);
    return add_rms_norm(context, residual, scratch, norm, eps, out);
  }
  const int64_t bytes = residual.shape().num_elements() * size_of(DType::kF32);
  const TensorView partial(communicator.partial_buffer(bytes), DType::kF32, residual.shape(), context.device);
  linear(context, x, weight.weight, partial);
  const StreamSpan span(context.tracer, context.stream, "all-reduce", TraceTrack::kCollectives, "bytes", bytes);
  communicator.all_reduce_add_rms_norm(context, partial, residual, bias_of(weight), norm, eps, out);
}

void vocab_parallel_embedding(const OpContext& context, Communicator& communicator, ConstTensorView ids,
                              ConstTensorView table, int64_t vocab_begin, TensorView out) {
  sum_over_ranks(context, communicator, out,
                 [&](TensorView partial) { embedding(context, ids, table, vocab_begin, partial); });
}

}  // namespace lockstep
