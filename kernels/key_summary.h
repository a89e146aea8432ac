// Where a sealed page holds the mean and deviation of its keys' channels, and what they are: what the CPU's and CUDA's
// entries of the table are made from (kernels/page_summaries.h), with the same bits.
#pragma once

#include "core/host_device.h"
#include "kernels/kv_codes.h"

#include <cstdint>

namespace lockstep {

/// In bytes from the layer's K block of one head.
struct KeySummaryPlaces {
  int32_t bits;        // of keys; 0: F16 behind the values, of pages that are not coded
  int64_t means;       // F16; of 4 bits what code 0 stands for
  int64_t scales;      // not of 0 bits
  int64_t mean_codes;  // 4 bits
  int64_t deviations;  // F16, or codes

  /// Of the layer's pages whose keys have so many bits.
  KeySummaryPlaces(const KvLayout& layout, int64_t layer, int64_t key_bits) : bits(static_cast<int32_t>(key_bits)) {
    if (bits == 0) {
      means = layout.summary_block(0, layer) - layout.k_block(0, layer);
      deviations = means + 2 * layout.coded_head_dim();
      scales = mean_codes = 0;
      return;
    }
    const KeyCodes at(layout, bits);
    means = at.offsets;
    scales = at.scales;
    mean_codes = at.means;
    deviations = at.stds;
  }
  /// Of the layer's pages but a first one of two slots, which has 8 bits.
  static KeySummaryPlaces of_layer(const KvLayout& layout, int64_t layer) {
    return {layout, layer, layout.is_coded() ? layout.k_bits(layer) : 0};
  }
};

// Products of scales (4 significant bits) and codes (8) are exact in F32, so that fusing them into a sum changes no
// bit.
LS_HOST_DEVICE inline float mean_of_code(float offset, float scale, uint8_t code) {
  return offset + scale * static_cast<float>(code) * (1.0F / 16.0F);
}
LS_HOST_DEVICE inline float deviation_of_code(float scale, uint8_t code, int bits) {
  return scale * static_cast<float>(code) * (bits == 8 ? 0.5F : 1.0F / 32.0F);
}

}  // namespace lockstep
