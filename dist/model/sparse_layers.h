// Which rule of sparse attention each layer of a model has.
#pragma once

#include "core/settings/layer_ratios.h"
#include "kernels/select_pages.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

namespace lockstep {

/// One rule, but for the ratios of some layers, which go before rule.ratio and rule.dense_layers; 1: the layer reads
/// all pages. What a layer needs depends on the model: on examples/models/recall layer 1 needs three times a tenth of
/// the pages, the others a third of one.
class SparseLayers {
 public:
  SparseLayers(const SparseRule& rule, LayerRatios ratios = {})  // NOLINT: a rule is one for all layers
      : rule_(rule), ratios_(std::move(ratios)) {
    while (first_ <= std::max(rule.dense_layers, ratios_.highest_layer()) && ratio_of(first_) >= 1.0) ++first_;
  }

  /// But for its ratio and dense_layers the same for all layers.
  const SparseRule& shared() const { return rule_; }
  const LayerRatios& ratios() const { return ratios_; }

  /// Share of the candidates that the layer reads at most; 1: it is dense.
  double ratio_of(int64_t layer) const {
    return ratios_.of(layer).value_or(layer < rule_.dense_layers ? 1.0 : rule_.ratio);
  }
  bool is_dense(int64_t layer) const { return ratio_of(layer) >= 1.0; }
  /// Of a model of so many layers.
  int64_t num_sparse(int64_t num_layers) const {
    int64_t count = 0;
    for (int64_t layer = 0; layer < num_layers; ++layer) count += is_dense(layer) ? 0 : 1;
    return count;
  }
  /// What select_pages() of that layer is given: its dense_layers is the first sparse layer, where rows that fall back
  /// are counted, or lies above a dense one.
  SparseRule of(int64_t layer) const {
    SparseRule rule = rule_;
    rule.dense_layers = is_dense(layer) ? layer + 1 : first_;
    if (!is_dense(layer)) rule.ratio = ratio_of(layer);
    return rule;
  }
  /// Pages of a list of any layer, at most (most_selected_pages()).
  int64_t most_pages(int64_t candidates) const {
    SparseRule widest = rule_;
    widest.ratio = std::max(rule_.ratio, ratios_.largest_below_one());
    return most_selected_pages(widest, candidates);
  }
  /// All options, for people, manifests of jobs and keys of pages: differs where anything does.
  std::string text() const;

  bool operator==(const SparseLayers&) const = default;

 private:
  SparseRule rule_;
  LayerRatios ratios_;
  int64_t first_ = 0;  // sparse layer
};

}  // namespace lockstep
