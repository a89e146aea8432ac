// What one record of the disk store is: the KV of one page and one KV head, over all layers.
#pragma once

#include "cache/disk/transfer_engine.h"
#include "core/layer_set.h"

#include <cstdint>

namespace lockstep {

struct RecordShape {
  int64_t num_layers = 0;
  int64_t layer_bytes = 0;
  int64_t wide_layer_bytes = 0;  // of the layers in wide_layers
  LayerSet wide_layers = {};
  bool operator==(const RecordShape&) const = default;

  LayerBlocks blocks() const { return {num_layers, layer_bytes, wide_layer_bytes, wide_layers}; }
  int64_t payload_bytes() const { return blocks().total(); }
  /// Distance of records, on disk and in the caller's memory.
  int64_t aligned_payload_bytes() const {
    return (payload_bytes() + kDiskAlignment - 1) / kDiskAlignment * kDiskAlignment;
  }
};

/// KV heads [first, first + count) of the model.
struct HeadRange {
  int32_t first = 0, count = 0;
  bool operator==(const HeadRange&) const = default;

  int32_t end() const { return first + count; }
  bool contains(int32_t head) const { return head >= first && head < end(); }
};

}  // namespace lockstep
