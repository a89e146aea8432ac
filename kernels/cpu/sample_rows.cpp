#include "kernels/sample_rows.h"

#include "kernels/backends.h"
#include "kernels/cpu/address.h"
#include "kernels/sample_draw.h"

namespace lockstep::cpu {

void sample_rows(const OpContext& context, ConstTensorView logits, const RowSampling* rows, TensorView tokens) {
  auto* const out = tokens.as<int32_t>();
  const auto vocabulary = static_cast<size_t>(logits.size(1));
  context.threads->parallel_for(logits.size(0), 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      out[r] = draw_token({float_row_at(logits, r), vocabulary}, rows[r]).value_or(TokenId(-1)).value();
    }
  });
}

}  // namespace lockstep::cpu
