// The seam between the driver of a CPU matrix product and its inner loops: one TileKernels per (instruction set,
// dtype).
//
// A tile is a few rows of x times a few panels of W; a panel is 16 rows of W (16 output columns) with all of K. Every
// output element has one running sum per segment, walked in ascending k, so that its bits do not depend on the tile it
// falls into. Files that include this and are compiled for a wider instruction set must not use inline functions or
// templates of other headers: the linker could hand their copy to code that runs on a lesser CPU.
#pragma once

#include "core/dtype.h"

#include <cstdint>

namespace lockstep::cpu {

inline constexpr int kPanelColumns = 16;
inline constexpr int kMaxSegments = 8;
/// Partial sums that are alive at once in the pairwise tree over 8 segments.
inline constexpr int kMaxLevels = 4;

/// How a block of rows of x is laid out for a tile; k is padded with zeros to whole steps in every segment.
enum class RowFormat : uint8_t {
  kPairs,   // [k / 2][row][2] BF16
  kFloats,  // [k][row] F32
  kTiles,   // [row / 16][k / 32][16 rows][32] BF16, rows padded with zeros
};

/// Weights to fetch into a near cache during a tile: at step i the line at `from` + i * step_bytes of the first panel
/// (the others lie panel_bytes apart), and from `jump_step` on `jump_bytes` further. Addresses past the weights are
/// harmless.
struct TilePrefetch {
  const char* from = nullptr;
  int64_t step_bytes = 0;
  int64_t jump_step = 0;  // below 1: no jump
  int64_t jump_bytes = 0;
};

struct TileTask {
  const void* x = nullptr;        // packed block of rows
  const char* weights = nullptr;  // first panel
  int64_t panel_bytes = 0;        // distance of panels
  TilePrefetch prefetch;          // AMX does without
  const int64_t* segment_steps = nullptr;
  int num_segments = 0;
  int rows = 0;
  int panels = 0;
  const float* bias = nullptr;  // of the first column; nullptr without bias
  void* out = nullptr;          // element (first row, first column)
  int64_t out_stride = 0;       // elements
  int columns = 0;              // existing columns, at most 16 * panels
  DType out_dtype = DType::kF32;
};

struct TileKernels {
  RowFormat row_format = RowFormat::kFloats;
  int step = 1;      // k per step
  int max_rows = 1;  // rows of one tile
  /// Most panels of a tile of `rows` rows: 1, 2 or 4. Smaller powers of two are accepted as well.
  int (*max_panels)(int rows) = nullptr;
  void (*run)(const TileTask& task) = nullptr;
  /// F16 weights only: binary16 to F32.
  void (*expand_halves)(const uint16_t* in, float* out, int64_t count) = nullptr;
  /// Called on each thread around its tiles where not nullptr.
  void (*begin_thread)() = nullptr;
  void (*end_thread)() = nullptr;
};

extern const TileKernels kScalarBf16, kScalarF32, kScalarF16;
extern const TileKernels kAvx2Bf16, kAvx2F32, kAvx2F16;
extern const TileKernels kAvx512Bf16, kAvx512F32, kAvx512F16;
extern const TileKernels kAvx512DotBf16;
extern const TileKernels kAmxBf16;

}  // namespace lockstep::cpu
