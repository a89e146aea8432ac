// One row's draw on the host, from logits that nobody changes any more: what sample_row() and cpu::sample_rows share.
#pragma once

#include "core/ids.h"
#include "kernels/sample_rows.h"

#include <optional>
#include <span>

namespace lockstep {

/// Temperature, top_k, top_p, min_p and draw as sample_row() describes them; std::nullopt where nothing can be drawn.
/// Throws: ShapeError for a draw from more than kMaxSampledVocabulary logits.
std::optional<TokenId> draw_token(std::span<const float> logits, const RowSampling& row);

/// What of `params` says how the token at `position` is drawn.
RowSampling row_sampling(const SamplingParams& params, uint64_t position);

}  // namespace lockstep
