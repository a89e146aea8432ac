#include "kernels/cuda/attention/decode.cuh"

namespace lockstep::cuda {

void sealed_decode_attention_f16(const OpContext& context, const AttentionArguments& args, int64_t max_end) {
  launch_decode<__half, true>(context, args, max_end);
}

}  // namespace lockstep::cuda
