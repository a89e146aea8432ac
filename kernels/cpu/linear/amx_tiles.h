// Inner loops on AMX tiles, written against a `Tiles` policy so that the same logic runs on an emulation of the tile
// instructions (tests/kernels/emulated_tiles.h) on machines without them.
//
//   Tiles::zero<t>(), load<t>(address, stride), store<t>(address, stride), dot<sum, a, b>()
//
// All eight tiles are 16 rows of 64 bytes; x is padded with zero rows, which costs nothing where weights come from
// memory. Numbers (Intel SDM, TDPBF16PS): per tile instruction the even and the odd products of 32 values of k are each
// accumulated in F32 by fused multiply-add, the two are added, and that is added to the sum; subnormals count as zero,
// rounding is to nearest even.
#pragma once

#include "kernels/cpu/linear/store_tile.h"

namespace lockstep::cpu {

template <class Tiles, int kRowTiles, int kPanels>
struct TileProduct {
  static constexpr int kTileRows = 16;
  static constexpr int kTileBytes = 1024;
  static constexpr int kWidth = kPanels * kPanelColumns;
  // Tiles 0-3 are sums, then those of x; what is left is for weights.
  static constexpr int kFirstX = 4, kFirstW = kFirstX + kRowTiles, kNumW = 8 - kFirstW;
  static_assert(kRowTiles * kPanels <= 4);

  template <int i = 0>
  [[gnu::always_inline]] static inline void clear() {
    if constexpr (i < kRowTiles * kPanels) {
      Tiles::template zero<i>();
      clear<i + 1>();
    }
  }
  template <int r = 0>
  [[gnu::always_inline]] static inline void load_x(const char* x, int64_t row_tile_bytes) {
    if constexpr (r < kRowTiles) {
      Tiles::template load<kFirstX + r>(x + r * row_tile_bytes, 64);
      load_x<r + 1>(x, row_tile_bytes);
    }
  }
  template <int panel, int r = 0>
  [[gnu::always_inline]] static inline void multiply() {
    if constexpr (r < kRowTiles) {
      Tiles::template dot<r * kPanels + panel, kFirstX + r, kFirstW + panel % kNumW>();
      multiply<panel, r + 1>();
    }
  }
  template <int panel = 0>
  [[gnu::always_inline]] static inline void multiply_panels(const char* w, int64_t panel_bytes) {
    if constexpr (panel < kPanels) {
      Tiles::template load<kFirstW + panel % kNumW>(w + panel * panel_bytes, 64);
      multiply<panel>();
      multiply_panels<panel + 1>(w, panel_bytes);
    }
  }
  template <int i = 0>
  [[gnu::always_inline]] static inline void store(float* sums) {
    if constexpr (i < kRowTiles * kPanels) {
      Tiles::template store<i>(sums + (i / kPanels) * kTileRows * kWidth + (i % kPanels) * kPanelColumns,
                               kWidth * static_cast<int64_t>(sizeof(float)));
      store<i + 1>(sums);
    }
  }

  [[gnu::noinline]] static void run(const TileTask& task) {
    constexpr int kSums = kRowTiles * kTileRows * kWidth;
    alignas(64) float partial[kMaxLevels + 1][kSums];  // finished subtrees, and the newest segment
    int64_t all_steps = 0;
    for (int s = 0; s < task.num_segments; ++s) all_steps += task.segment_steps[s];
    const int64_t row_tile_bytes = all_steps * kTileBytes;
    const char* x = static_cast<const char*>(task.x);
    const char* w = task.weights;
    int depth = 0;
    for (int segment = 0; segment < task.num_segments; ++segment) {
      clear();
      for (int64_t steps = task.segment_steps[segment]; steps > 0; --steps) {
        load_x(x, row_tile_bytes);
        multiply_panels(w, task.panel_bytes);
        x += kTileBytes;
        w += kTileBytes;
      }
      store(partial[depth]);
      for (int carry = segment; (carry & 1) != 0; carry >>= 1) {
        --depth;
        for (int i = 0; i < kSums; ++i) partial[depth][i] += partial[depth + 1][i];
      }
      ++depth;
    }
    store_tile<Tiles, kWidth>(task, partial[0]);
  }
};

/// Rows up to 16: one tile of x against four panels; up to 32: two against two.
template <class Tiles>
int tile_product_panels(int rows) {
  return rows <= 16 ? 4 : 2;
}

template <class Tiles>
void run_tile_product(const TileTask& task) {
  if (task.rows > 16) {
    return task.panels == 2 ? TileProduct<Tiles, 2, 2>::run(task) : TileProduct<Tiles, 2, 1>::run(task);
  }
  if (task.panels == 4) return TileProduct<Tiles, 1, 4>::run(task);
  return task.panels == 2 ? TileProduct<Tiles, 1, 2>::run(task) : TileProduct<Tiles, 1, 1>::run(task);
}

}  // namespace lockstep::cpu
