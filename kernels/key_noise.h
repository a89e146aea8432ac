// How much of a layer's keys 4 bits keep: what the guard of KvFormat::kKv4 decides by. Keys with a large bias lose to
// rotation: the bias turns from token to token, its span fills the codes, and the part that tells tokens apart drowns.
#pragma once

#include "kernels/kv_layout.h"
#include "kernels/rope.h"

#include <cmath>
#include <cstddef>
#include <cstdint>

namespace lockstep {

/// Sums over tokens and channels; those of several pages and heads add up.
struct KeyNoise {
  double signal = 0.0;  // square distance of the keys, as they were before rotation, from their mean over the page
  double noise = 0.0;   // square error of coding the rotated keys by 4 bits

  KeyNoise& operator+=(const KeyNoise& other) {
    signal += other.signal;
    noise += other.noise;
    return *this;
  }
  /// 10 log10(signal / noise); infinite without noise.
  double decibels() const { return noise > 0.0 ? 10.0 * std::log10(signal / noise) : HUGE_VAL; }
};

/// The noise of sealing a full page of kFull layout `layout` (KvPages::open_layout()) whose first token stands at
/// `first_position`: one head, one layer.
/// `page` and the table lie in host memory; table: null for keys that are not rotated. Its scaling of keys (YaRN) is in
/// both sums alike. Non-finite keys count as seal_pages() takes them. Throws: ShapeError. Thread-safe.
KeyNoise key_noise(const KvLayout& layout, const std::byte* page, int64_t head, int64_t layer, int64_t first_position,
                   const RopeTable* table);

}  // namespace lockstep
