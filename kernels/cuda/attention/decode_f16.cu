#include "kernels/cuda/attention/decode.cuh"

namespace lockstep::cuda {

void decode_attention_f16(const OpContext& context, const AttentionArguments& args, int64_t max_end) {
  launch_decode<__half, false>(context, args, max_end);
}

}  // namespace lockstep::cuda
