#include "kernels/cpu/linear/pack_rows.h"

#include <algorithm>
#include <cstring>

namespace lockstep::cpu {
namespace {

constexpr int64_t kChunk = 16;  // units: one cache line of a row at a time, so that many rows do not evict each other

const uint16_t* row16(ConstTensorView x, int64_t row) {
  return static_cast<const uint16_t*>(x.data()) + row * x.stride(0);
}

// out[pair][row][2]
void pack_pairs(const PanelLayout& layout, const SegmentBounds& segments, ConstTensorView x, uint32_t* out) {
  const int64_t rows = x.size(0);
  for (int s = 0; s < layout.num_segments; ++s) {
    const int64_t begin = segments[static_cast<size_t>(s)], size = segments[static_cast<size_t>(s) + 1] - begin;
    const int64_t whole = size / 2;
    for (int64_t first = 0; first < whole; first += kChunk) {
      const int64_t last = std::min(first + kChunk, whole);
      for (int64_t row = 0; row < rows; ++row) {
        const uint16_t* in = row16(x, row) + begin;
        for (int64_t pair = first; pair < last; ++pair) std::memcpy(out + pair * rows + row, in + 2 * pair, 4);
      }
    }
    if (size % 2 != 0) {
      for (int64_t row = 0; row < rows; ++row) out[whole * rows + row] = row16(x, row)[begin + size - 1];
    }
    out += layout.segment_steps[static_cast<size_t>(s)] * rows;
  }
}

// F32 values of in[0 … count), through `buffer` unless they are F32 already.
const float* as_floats(const TileKernels& kernels, ConstTensorView x, int64_t row, int64_t k, int64_t count,
                       float* buffer) {
  if (x.dtype() == DType::kF32) return static_cast<const float*>(x.data()) + row * x.stride(0) + k;
  const uint16_t* in = row16(x, row) + k;
  if (x.dtype() == DType::kF16) {
    kernels.expand_halves(in, buffer, count);
  } else {
    for (int64_t i = 0; i < count; ++i) buffer[i] = to_float(BFloat16{in[i]});
  }
  return buffer;
}

// out[k][row]
void pack_floats(const TileKernels& kernels, const PanelLayout& layout, const SegmentBounds& segments,
                 ConstTensorView x, float* out) {
  const int64_t rows = x.size(0);
  for (int s = 0; s < layout.num_segments; ++s) {
    const int64_t begin = segments[static_cast<size_t>(s)], size = segments[static_cast<size_t>(s) + 1] - begin;
    for (int64_t first = 0; first < size; first += kChunk) {
      const int64_t count = std::min(kChunk, size - first);
      for (int64_t row = 0; row < rows; ++row) {
        float buffer[kChunk];
        const float* values = as_floats(kernels, x, row, begin + first, count, buffer);
        for (int64_t i = 0; i < count; ++i) out[(first + i) * rows + row] = values[i];
      }
    }
    const int64_t padded = layout.segment_steps[static_cast<size_t>(s)] * kernels.step;
    std::fill(out + size * rows, out + padded * rows, 0.0F);
    out += padded * rows;
  }
}

// out[row / 16][k / 32][16 rows][32]
void pack_tiles(const PanelLayout& layout, const SegmentBounds& segments, ConstTensorView x, uint16_t* out) {
  constexpr int64_t kTileRows = 16, kTileK = 32;
  const int64_t rows = x.size(0);
  for (int64_t row = 0; row < (rows + kTileRows - 1) / kTileRows * kTileRows; ++row) {
    uint16_t* line = out + row / kTileRows * kTileRows * layout.padded_k + row % kTileRows * kTileK;
    for (int s = 0; s < layout.num_segments; ++s) {
      const int64_t begin = segments[static_cast<size_t>(s)], size = segments[static_cast<size_t>(s) + 1] - begin;
      for (int64_t k = 0; k < size; k += kTileK, line += kTileRows * kTileK) {
        const int64_t count = row < rows ? std::min(kTileK, size - k) : 0;
        if (count > 0) std::memcpy(line, row16(x, row) + begin + k, static_cast<size_t>(count) * 2);
        std::fill(line + count, line + kTileK, uint16_t{0});
      }
    }
  }
}

}  // namespace

void pack_rows(const TileKernels& kernels, const PanelLayout& layout, const SegmentBounds& segments, ConstTensorView x,
               std::byte* out) {
  switch (kernels.row_format) {
    case RowFormat::kPairs: return pack_pairs(layout, segments, x, reinterpret_cast<uint32_t*>(out));
    case RowFormat::kFloats: return pack_floats(kernels, layout, segments, x, reinterpret_cast<float*>(out));
    case RowFormat::kTiles: return pack_tiles(layout, segments, x, reinterpret_cast<uint16_t*>(out));
  }
}

}  // namespace lockstep::cpu
