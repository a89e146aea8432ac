#include "kernels/cuda/attention/prefill.cuh"

namespace lockstep::cuda {

void sealed_prefill_attention_bf16(const OpContext& context, const AttentionArguments& args, int64_t max_end) {
  launch_prefill<__nv_bfloat16, true>(context, args, max_end);
}

}  // namespace lockstep::cuda
