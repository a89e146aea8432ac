#include "kernels/cuda/attention/prefill.cuh"

namespace lockstep::cuda {

void prefill_attention_f16(const OpContext& context, const AttentionArguments& args, int64_t max_end) {
  launch_prefill<__half, false>(context, args, max_end);
}

}  // namespace lockstep::cuda
