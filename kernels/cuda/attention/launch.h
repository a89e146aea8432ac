// The attention kernels as their host side sees them; each enqueues on the context's stream. paged_attention() chooses.
// `max_end`: the most positions of a row.
#pragma once

#include "core/dtype.h"
#include "kernels/context.h"

#include <cstdint>

namespace lockstep::cuda {

struct AttentionArguments;

using AttentionLaunch = void(const OpContext&, const AttentionArguments&, int64_t max_end);

/// Rows of several tokens, pages of BF16 or F16 with 64, 96, 128 or 256 dimensions and a multiple of 16 tokens.
AttentionLaunch prefill_attention_bf16;
AttentionLaunch prefill_attention_f16;
/// Rows of one token, the same pages. Grid and scratch are functions of the number of rows and of max_end rounded up
/// (kernels/cuda/attention/fold.h), so recorded launches serve all batches within these.
AttentionLaunch decode_attention_bf16;
AttentionLaunch decode_attention_f16;
/// The same of pages of coded formats.
AttentionLaunch sealed_prefill_attention_bf16;
AttentionLaunch sealed_prefill_attention_f16;
AttentionLaunch sealed_decode_attention_bf16;
AttentionLaunch sealed_decode_attention_f16;
/// All rows, all pages, which hold elements of `page_dtype` (of coded formats: the open ones).
void generic_attention(const OpContext& context, const AttentionArguments& args, DType page_dtype);

}  // namespace lockstep::cuda
