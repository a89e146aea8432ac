#include "kernels/cuda/attention/decode.cuh"

namespace lockstep::cuda {

void decode_attention_bf16(const OpContext& context, const AttentionArguments& args, int64_t max_end) {
  launch_decode<__nv_bfloat16, false>(context, args, max_end);
}

}  // namespace lockstep::cuda
