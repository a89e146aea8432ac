#include "dist/model/sparse_layers.h"

#include <gtest/gtest.h>
#include <set>
#include <string>

namespace lockstep {
namespace {

constexpr SparseRule kRule{
    .ratio = 0.1, .dense_below = 7, .dense_layers = 2, .sink_pages = 1, .recent_pages = 0, .least_pages = 2};

SparseLayers layers(const char* ratios) { return {kRule, LayerRatios::parse("ratios", ratios)}; }

TEST(SparseLayers, WithoutRatiosTheFirstLayersAreDense) {
  const SparseLayers all = kRule;
  EXPECT_EQ(all.ratio_of(0), 1.0);
  EXPECT_EQ(all.ratio_of(1), 1.0);
  EXPECT_EQ(all.ratio_of(2), 0.1);
  EXPECT_EQ(all.of(2), kRule);
  EXPECT_EQ(all.of(99), kRule);
  EXPECT_GT(all.of(0).dense_layers, 0);
  EXPECT_GT(all.of(1).dense_layers, 1);
  EXPECT_EQ(all.most_pages(100), 10);
}

TEST(SparseLayers, NamedLayersHaveRatiosOfTheirOwn) {
  const SparseLayers some = layers("1:0.3/4:1/5:0.05");
  EXPECT_TRUE(some.is_dense(0));
  EXPECT_EQ(some.ratio_of(1), 0.3);
  EXPECT_EQ(some.ratio_of(2), 0.1);
  EXPECT_TRUE(some.is_dense(4));
  EXPECT_EQ(some.ratio_of(5), 0.05);
  for (const int64_t layer : {1, 2, 3, 5, 6}) {
    SparseRule expected = kRule;
    expected.ratio = some.ratio_of(layer);
    expected.dense_layers = 1;  // the first sparse one: where rows that fall back are counted
    EXPECT_EQ(some.of(layer), expected) << layer;
  }
  EXPECT_EQ(some.num_sparse(7), 5);
  EXPECT_EQ(layers("2-6:1").num_sparse(7), 0);
  EXPECT_EQ(some.of(0).dense_layers, 1);
  EXPECT_EQ(some.of(4).dense_layers, 5);
}

// Lists of all layers have one capacity; a dense layer has none.
TEST(SparseLayers, ListsHoldTheWidestLayer) {
  EXPECT_EQ(layers("1:0.3/4:1/5:0.05").most_pages(100), 30);
  EXPECT_EQ(layers("5:0.05").most_pages(100), 10);
  EXPECT_EQ(layers("0-3:1").most_pages(100), 10);
  EXPECT_EQ(layers("1:0.3").most_pages(3), 2);
}

// Keys of pages and manifests of jobs are made from it.
TEST(SparseLayers, TextDiffersWhereAnythingDoes) {
  std::set<std::string> texts{SparseLayers(kRule).text(), layers("0:0.5").text(), layers("0:0.25").text(),
                              layers("1:0.5").text()};
  const auto changed = [&](auto change) {
    SparseRule rule = kRule;
    change(rule);
    texts.insert(SparseLayers(rule).text());
  };
  changed([](SparseRule& rule) { rule.ratio = 0.2; });
  changed([](SparseRule& rule) { rule.dense_below = 1; });
  changed([](SparseRule& rule) { rule.dense_layers = 1; });
  changed([](SparseRule& rule) { rule.sink_pages = 7; });
  changed([](SparseRule& rule) { rule.recent_pages = 7; });
  changed([](SparseRule& rule) { rule.least_pages = 7; });
  changed([](SparseRule& rule) { rule.mass = 0.5; });
  EXPECT_EQ(texts.size(), 11U);
  EXPECT_EQ(SparseLayers(kRule).text(), layers("").text());
}

TEST(SparseLayers, TheFirstSparseLayerMayLieBehindNamedDenseOnes) {
  EXPECT_EQ(layers("0-3:1").of(4).dense_layers, 4);
  EXPECT_EQ(layers("0:0.5").of(7).dense_layers, 0);
  EXPECT_TRUE(layers("0:0.5").is_dense(1));
}

}  // namespace
}  // namespace lockstep
