// Sets of a model's layers, and where blocks of two sizes lie when each layer has one of them.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <stdexcept>

namespace lockstep {

/// Layers 0 to kMost - 1.
class LayerSet {
 public:
  static constexpr int64_t kMost = 256;

  constexpr void insert(int64_t layer) {
    if (layer < 0 || layer >= kMost) throw std::out_of_range("a set of layers holds 0 to 255");
    word(layer) |= bit(layer);
  }
  constexpr bool contains(int64_t layer) const {
    return layer < kMost && (words_[static_cast<size_t>(layer / 64)] & bit(layer)) != 0;
  }
  /// Members below `layer`.
  constexpr int64_t count_below(int64_t layer) const {
    int64_t count = 0;
    for (int64_t first = 0; first < layer && first < kMost; first += 64) {
      const uint64_t all = words_[static_cast<size_t>(first / 64)];
      count += std::popcount(layer - first >= 64 ? all : all & (bit(layer) - 1));
    }
    return count;
  }
  constexpr int64_t size() const { return count_below(kMost); }
  constexpr const std::array<uint64_t, 4>& words() const { return words_; }
  static constexpr LayerSet of_words(const std::array<uint64_t, 4>& words) {
    LayerSet set;
    set.words_ = words;
    return set;
  }
  constexpr bool operator==(const LayerSet&) const = default;

 private:
  static constexpr uint64_t bit(int64_t layer) { return uint64_t{1} << (layer % 64); }
  constexpr uint64_t& word(int64_t layer) { return words_[static_cast<size_t>(layer / 64)]; }

  std::array<uint64_t, 4> words_{};
};

/// Blocks of num_layers layers one behind the other: wide_bytes for the wide layers, bytes for all others.
struct LayerBlocks {
  int64_t num_layers = 0;
  int64_t bytes = 0, wide_bytes = 0;
  LayerSet wide = {};

  constexpr int64_t bytes_of(int64_t layer) const { return wide.contains(layer) ? wide_bytes : bytes; }
  /// Where a layer's block begins; that of num_layers is where the last one ends.
  constexpr int64_t offset_of(int64_t layer) const {
    return layer * bytes + wide.count_below(layer) * (wide_bytes - bytes);
  }
  constexpr int64_t total() const { return offset_of(num_layers); }
  constexpr bool operator==(const LayerBlocks&) const = default;
};

}  // namespace lockstep
