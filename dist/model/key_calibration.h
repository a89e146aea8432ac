// Which layers' keys are too coarse in 4 bits, found by computing a text of random tokens before the first request.
#pragma once

#include "dist/model/decoder.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace lockstep {

/// Layers below this keep keys of 8 bits in KvFormat::kKv4.
inline constexpr double kLeastKeyDecibels = 18.0;

/// Tokens of the text: the same whatever the longest sequence and step, so that the formats of layers are.
inline int64_t calibration_tokens(const ModelConfig& model) { return std::min<int64_t>(512, model.max_positions); }

/// Signal to noise of keys in 4 bits, in dB by layer, the least over all KV heads of the model: see
/// kernels/key_noise.h. Of the full pages of calibration_tokens(), which the decoder's positions must reach, computed
/// in steps of up to `max_step_tokens` (at least a page); empty where not one page is full. The same for every number
/// of ranks whose sums are (docs/determinism.md), and for all steps. Ranks: collective over the decoder's group.
/// Throws: as Decoder::forward().
std::vector<double> key_signal_to_noise(const OpContext& context, Decoder& decoder, Communicator& group,
                                        const ModelConfig& model, int64_t page_tokens, int64_t max_step_tokens);

/// The layers whose value is below kLeastKeyDecibels.
LayerSet layers_of_wide_keys(const std::vector<double>& decibels);

}  // namespace lockstep
