// Register-blocked outer products: rows of x (broadcast) times panels of W (vectors of columns), k innermost and
// ascending. Compiled for each instruction set through its own, file-local `Arch`:
//
//   V, X             vector of sums; element of packed x
//   kLanes           columns of a V
//   kStepBytes       bytes of a panel per step; kSubsteps: values of x per step (1, or 2 for a pair that is split)
//   kMaxRows, kWideRows   most rows of a tile of 1 or 2 panels, and of 4 panels (0: none); kPanels: most panels at
//                    kMaxRows
//   load<v>(w)       the v-th vector of a panel's step, as stored; expand<i>(raw): the multiplicands of substep i
//   broadcast(x), zero(), multiply_add(sum, w, x), add(a, b), store(out, v), load_sums(in)
//   store_halves     see store_tile.h
#pragma once

#include "kernels/cpu/linear/store_tile.h"

namespace lockstep::cpu {

template <class Arch, int kRows, int kPanels>
struct OuterProduct {
  using V = typename Arch::V;
  using X = typename Arch::X;
  static constexpr int kVectors = kPanelColumns / Arch::kLanes;  // per panel
  static constexpr int kColumns = kPanels * kVectors;            // vectors per row
  static constexpr int kWidth = kPanels * kPanelColumns;
  static constexpr int kPrefetchLocality = 2;  // into L2

  /// One step: kSubsteps rank-1 updates of the sums.
  [[gnu::always_inline]] static inline void step(V (&sums)[kRows][kColumns], const char* w, int64_t panel_bytes,
                                                 const X* x) {
    using Raw = decltype(Arch::template load<0>(w));
    Raw raw[kColumns];
    load_step<0>(raw, w, panel_bytes);
    substep<0>(sums, raw, x);
    if constexpr (Arch::kSubsteps == 2) substep<1>(sums, raw, x + kRows);
  }

  template <int kVector, class Raw>
  [[gnu::always_inline]] static inline void load_step(Raw (&raw)[kColumns], const char* w, int64_t panel_bytes) {
    if constexpr (kVector < kVectors) {
#pragma GCC unroll 4
      for (int p = 0; p < kPanels; ++p) {
        raw[p * kVectors + kVector] = Arch::template load<kVector>(w + p * panel_bytes);
      }
      load_step<kVector + 1>(raw, w, panel_bytes);
    }
  }

  template <int kSubstep, class Raw>
  [[gnu::always_inline]] static inline void substep(V (&sums)[kRows][kColumns], const Raw (&raw)[kColumns],
                                                    const X* x) {
    using W = decltype(Arch::template expand<kSubstep>(raw[0]));
    W w[kColumns];
#pragma GCC unroll 16
    for (int c = 0; c < kColumns; ++c) w[c] = Arch::template expand<kSubstep>(raw[c]);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const auto value = Arch::broadcast(x + r);
#pragma GCC unroll 16
      for (int c = 0; c < kColumns; ++c) sums[r][c] = Arch::multiply_add(sums[r][c], w[c], value);
    }
  }

  [[gnu::noinline]] static void run(const TileTask& task) {
    // Finished subtrees of the pairwise sum over segments, largest first: a binary counter.
    alignas(64) float partial[kMaxLevels][kRows][kWidth];
    const char* w = task.weights;
    const X* x = static_cast<const X*>(task.x);
    const char* ahead = task.prefetch.from;
    int64_t until_jump = task.prefetch.jump_step;
    int depth = 0;
    for (int segment = 0; segment < task.num_segments; ++segment) {
      V sums[kRows][kColumns];
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
        for (int c = 0; c < kColumns; ++c) sums[r][c] = Arch::zero();
      }
      for (int64_t steps = task.segment_steps[segment]; steps > 0; --steps) {
#pragma GCC unroll 4
        for (int p = 0; p < kPanels; ++p) __builtin_prefetch(ahead + p * task.panel_bytes, 0, kPrefetchLocality);
        step(sums, w, task.panel_bytes, x);
        ahead += task.prefetch.step_bytes;
        if (--until_jump == 0) ahead += task.prefetch.jump_bytes;
        w += Arch::kStepBytes;
        x += kRows * Arch::kSubsteps;
      }
      for (int carry = segment; (carry & 1) != 0; carry >>= 1) {
        --depth;
#pragma GCC unroll 16
        for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
          for (int c = 0; c < kColumns; ++c) {
            sums[r][c] = Arch::add(Arch::load_sums(&partial[depth][r][c * Arch::kLanes]), sums[r][c]);
          }
        }
      }
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
        for (int c = 0; c < kColumns; ++c) Arch::store(&partial[depth][r][c * Arch::kLanes], sums[r][c]);
      }
      ++depth;
    }
    store_tile<Arch, kWidth>(task, &partial[0][0][0]);
  }
};

template <class Arch, int kPanels, int kRows>
void run_rows(const TileTask& task) {
  if (task.rows == kRows) return OuterProduct<Arch, kRows, kPanels>::run(task);
  if constexpr (kRows > 1) run_rows<Arch, kPanels, kRows - 1>(task);
}

template <class Arch>
int outer_product_panels(int rows) {
  return rows <= Arch::kWideRows ? 4 : Arch::kPanels;
}

template <class Arch>
void run_outer_product(const TileTask& task) {
  if constexpr (Arch::kWideRows > 0) {
    if (task.panels == 4) return run_rows<Arch, 4, Arch::kWideRows>(task);
  }
  if constexpr (Arch::kPanels >= 2 || Arch::kWideRows > 0) {
    if (task.panels == 2) return run_rows<Arch, 2, Arch::kMaxRows>(task);
  }
  run_rows<Arch, 1, Arch::kMaxRows>(task);
}

}  // namespace lockstep::cpu
