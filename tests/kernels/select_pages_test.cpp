#include "kernels/select_pages.h"

#include "tests/kernels/selection_support.h"

namespace lockstep::test {
namespace {

SelectionResult select(const OpContext& context, SelectionInputs& in, const SparseRule& rule) {
  const int64_t capacity = most_selected_pages(rule, in.most_tokens() / in.shape.page_tokens + 1);
  // Of exactly their size, so that an address sanitizer sees every step outside.
  std::vector<int32_t> pages(static_cast<size_t>(in.num_rows() * in.shape.kv_heads * capacity), -7);
  std::vector<int32_t> counts(static_cast<size_t>(in.num_rows() * in.shape.kv_heads), -7);
  SelectionTotals totals;
  RaggedRows rows{in.num_rows(),        in.num_rows(),  in.token_begin.data(), in.first_position.data(),
                  in.page_begin.data(), in.slots.data()};
  rows.is_sparse = in.is_sparse.data();
  const TensorView q(in.q.data(), DType::kF32, {in.num_rows(), in.shape.heads(), in.shape.head_dim});
  select_pages(context, q, rows, in.shape.layer, in.pages(), in.shape.scale(), in.shape.window, rule,
               {capacity, pages.data(), counts.data(), &totals});
  return result_of(in, capacity, pages.data(), counts.data(), totals);
}

class SelectPages : public testing::TestWithParam<CpuIsa> {
 protected:
  CpuIsa isa() const { return GetParam(); }
};

TEST_P(SelectPages, RanksAsInDouble) {
  const CpuContext context(isa());
  for (const SelectionShape& shape : selection_shapes()) {
    SCOPED_TRACE(words(shape));
    SelectionInputs in(shape, mixed_rows(shape.page_tokens), 3);
    for (const double ratio : {0.1, 0.3, 0.7}) {
      SparseRule rule = small_rule();
      rule.ratio = ratio;
      expect_ranking(in, rule, select(context, in, rule));
    }
  }
}

TEST_P(SelectPages, IsaThreadsAndSlotsDoNotChangeLists) {
  const CpuContext scalar(CpuIsa::kScalar, 1), context(isa(), 3);
  for (const SelectionShape& shape : selection_shapes()) {
    SCOPED_TRACE(words(shape));
    SelectionInputs in(shape, mixed_rows(shape.page_tokens), 5), elsewhere(shape, mixed_rows(shape.page_tokens), 5, 9);
    const SelectionResult expected = select(scalar, in, small_rule());
    const SelectionResult result = select(context, elsewhere, small_rule());
    EXPECT_EQ(result, expected);
    EXPECT_EQ(result.totals.mass, expected.totals.mass);  // to the last unit of every estimate's weight
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, SelectPages, testing::ValuesIn(isa_levels()),
                         [](const auto& p) { return std::string(name_of(p.param)); });

TEST(SelectPagesRule, RowsOfABatchAreAsIfAlone) {
  const CpuContext context;
  const SelectionShape shape;
  SelectionInputs all(shape, mixed_rows(shape.page_tokens), 11);
  const SelectionResult together = select(context, all, small_rule());
  const std::vector<SelectionRow> rows = mixed_rows(shape.page_tokens);
  const size_t width = static_cast<size_t>(shape.heads() * shape.head_dim);
  for (size_t r = 0; r < rows.size(); ++r) {
    SelectionInputs one(shape, {rows[r]}, 11);
    std::copy_n(all.q.begin() + static_cast<std::ptrdiff_t>(r * width), width, one.q.begin());
    const SelectionResult alone = select(context, one, small_rule());
    for (size_t head = 0; head < 2; ++head) EXPECT_EQ(alone.lists[head], together.lists[r * 2 + head]) << r;
  }
}

TEST(SelectPagesRule, ABudgetThatHoldsAllIsDense) {
  const CpuContext context;
  SelectionInputs in({}, {{16 * 20}}, 1);
  EXPECT_TRUE(select(context, in, {.ratio = 1.0, .dense_below = 0, .dense_layers = 0}).is_dense[0]);
  EXPECT_TRUE(select(context, in, {.ratio = 0.1, .dense_below = 0, .dense_layers = 0, .least_pages = 20}).is_dense[0]);
  EXPECT_FALSE(
      select(context, in, {.ratio = 0.1, .dense_below = 320, .dense_layers = 0, .least_pages = 19}).is_dense[0]);
  EXPECT_TRUE(
      select(context, in, {.ratio = 0.1, .dense_below = 321, .dense_layers = 0, .least_pages = 19}).is_dense[0]);
  EXPECT_FALSE(select(context, in, {.ratio = 0.5, .dense_below = 0, .dense_layers = 1}).is_dense[0]);
  EXPECT_TRUE(select(context, in, {.ratio = 0.5, .dense_below = 0, .dense_layers = 2}).is_dense[0]);
  EXPECT_EQ(most_selected_pages({.ratio = 0.1, .sink_pages = 1, .recent_pages = 2, .least_pages = 0}, 100), 10);
  EXPECT_EQ(most_selected_pages({.ratio = 0.1, .sink_pages = 1, .recent_pages = 2, .least_pages = 0}, 30), 4);
  EXPECT_EQ(most_selected_pages({.ratio = 0.1, .least_pages = 8}, 30), 8);
  EXPECT_EQ(most_selected_pages({.ratio = 0.1, .least_pages = 8}, 5), 5);
}

TEST(SelectPagesRule, EqualPagesAreTakenFromTheFirstOn) {
  const CpuContext context;
  SelectionInputs in({}, {{16 * 40}}, 1);
  std::fill(in.q.begin(), in.q.end(), 0.0F);
  const SelectionResult result =
      select(context, in,
             {.ratio = 0.2, .dense_below = 0, .dense_layers = 0, .sink_pages = 1, .recent_pages = 2, .least_pages = 0});
  EXPECT_EQ(result.lists[0], (std::vector<int32_t>{0, 1, 2, 3, 4, 37, 38, 39}));
}

TEST(SelectPagesRule, AnEstimateThatIsNoNumberComesFirst) {
  const CpuContext context;
  SelectionInputs in({}, {{16 * 40}}, 1);
  in.means(0, 1, 29)[3] = Half{0x7e00};  // NaN
  const SparseRule rule{
      .ratio = 0.01, .dense_below = 0, .dense_layers = 0, .sink_pages = 0, .recent_pages = 0, .least_pages = 2};
  EXPECT_EQ(select(context, in, rule).lists[1], (std::vector<int32_t>{29, 39}));
}

TEST(SelectPagesRule, MassEndsAListEarly) {
  const CpuContext context;
  const SelectionShape shape;
  SelectionInputs in(shape, {{16 * 60}}, 4);
  SparseRule rule{
      .ratio = 0.9, .dense_below = 0, .dense_layers = 0, .sink_pages = 1, .recent_pages = 1, .least_pages = 0};
  for (const double mass : {0.3, 0.8, 0.99}) {
    rule.mass = mass;
    const SelectionResult result = select(context, in, rule);
    expect_ranking(in, rule, result);
    for (int64_t head = 0; head < shape.kv_heads; ++head) {
      double outside = 0.0, taken = 0.0, least = 1e300;
      const std::vector<int32_t>& list = result.lists[static_cast<size_t>(head)];
      std::vector<double> shares(59);
      for (int64_t g = 0; g < shape.group; ++g) {
        const std::vector<double> logs = in.log_shares(0, head, g);
        for (size_t i = 0; i < shares.size(); ++i) shares[i] += std::exp(logs[i]) / static_cast<double>(shape.group);
      }
      const std::vector<double> ranks = in.ranks(0, head);
      double last_rank = 1e300;
      for (size_t i = 1; i < 58; ++i) {  // neither the first page nor the two last ones
        outside += shares[i];
        if (!std::binary_search(list.begin(), list.end(), static_cast<int32_t>(i))) continue;
        taken += shares[i];
        if (ranks[i] < last_rank) {
          last_rank = ranks[i];
          least = shares[i];
        }
      }
      EXPECT_GE(taken, mass * outside - 1e-6);
      EXPECT_LT(taken - least, mass * outside + 1e-6) << "the last page was not needed";
    }
  }
}

TEST(SelectPagesRule, TotalsAddUp) {
  const CpuContext context;
  const SelectionShape shape;
  SelectionInputs in(shape, mixed_rows(shape.page_tokens), 3);
  const SelectionResult result = select(context, in, small_rule());
  int64_t read = 0, there = 0, lists = 0;
  double mass = 0.0;
  for (int64_t row = 0; row < in.num_rows(); ++row) {
    if (in.is_sparse[static_cast<size_t>(row)] == 0) continue;
    for (int64_t head = 0; head < shape.kv_heads; ++head) {
      const auto at = static_cast<size_t>(row * shape.kv_heads + head);
      there += in.own_page(row) + 1;
      read += result.is_dense[at] ? in.own_page(row) + 1 : static_cast<int64_t>(result.lists[at].size());
      if (result.is_dense[at]) continue;
      ++lists;
      for (int64_t g = 0; g < shape.group; ++g) {
        const std::vector<double> logs = in.log_shares(row, head, g);
        for (const int32_t page : result.lists[at]) {
          if (page != in.own_page(row))
            mass += std::exp(logs[static_cast<size_t>(page)]) / static_cast<double>(shape.group);
        }
      }
    }
  }
  EXPECT_EQ(result.totals.lists, lists);
  EXPECT_EQ(lists, 6);
  EXPECT_EQ(result.totals.dense_lists, 4);
  EXPECT_EQ(result.totals.pages_read, read);
  EXPECT_EQ(result.totals.pages_there, there);
  EXPECT_NEAR(static_cast<double>(result.totals.mass) * 0x1p-20, mass, 1e-4);
}

TEST(SelectPagesRule, FallbacksAreNotTheDenseLayers) {
  const CpuContext context;
  struct Case {
    const char* what;
    int64_t layer;
    SparseRule rule;
    int64_t dense_lists, fallback_lists, fallback_rows;
  };
  const SparseRule behind_one{.ratio = 0.1, .dense_below = 200, .dense_layers = 1, .least_pages = 8};
  SparseRule few = behind_one;
  few.dense_below = 0;
  few.least_pages = 20;
  SparseRule dense = behind_one;
  dense.dense_layers = 2;
  SparseRule first = behind_one;
  first.dense_layers = 0;
  // Rows of 320 and 160 tokens, pages of 16, 2 KV heads; the last row may not leave pages out anyway.
  for (const Case& one : {Case{"the shorter row sees fewer positions than dense_below", 1, behind_one, 2, 2, 1},
                          Case{"no row has more pages than are read at least", 1, few, 4, 4, 2},
                          Case{"a dense layer is no fallback", 1, dense, 4, 0, 0},
                          Case{"rows are counted in the first layer with lists, lists in each", 1, first, 2, 2, 0}}) {
    SCOPED_TRACE(one.what);
    SelectionShape shape;
    shape.layer = one.layer;
    SelectionInputs in(shape, {{320}, {160}, {320, false}}, 3);
    const SelectionTotals totals = select(context, in, one.rule).totals;
    EXPECT_EQ(totals.dense_lists, one.dense_lists);
    EXPECT_EQ(totals.fallback_lists, one.fallback_lists);
    EXPECT_EQ(totals.fallback_rows, one.fallback_rows);
    EXPECT_EQ(totals.lists, 4 - one.dense_lists);
  }
}

TEST(SelectPagesErrors, AreNamed) {
  const CpuContext context;
  SelectionInputs in({}, {{16 * 40}}, 1);
  EXPECT_THROW(select(context, in, {.ratio = 0.0}), ConfigError);
  EXPECT_THROW(select(context, in, {.ratio = 1.5}), ConfigError);
  EXPECT_THROW(select(context, in, {.ratio = 0.5, .mass = 0.0}), ConfigError);
  EXPECT_THROW(select(context, in, {.ratio = 0.5, .sink_pages = -1}), ConfigError);
  EXPECT_THROW(select(context, in, {.ratio = 0.5, .dense_layers = -1}), ConfigError);
  in.first_position[0] = 16 * 40;  // behind the last page
  EXPECT_THROW(select(context, in, {.ratio = 0.5, .dense_below = 0, .dense_layers = 0}), ShapeError);
  in.first_position[0] = 5;
  in.token_begin[1] = 2;
  EXPECT_THROW(select(context, in, {.ratio = 0.5, .dense_below = 0, .dense_layers = 0}), ShapeError);

  SelectionInputs fine({}, {{16 * 40}}, 1);
  std::vector<int32_t> list(8), counts(2);
  RaggedRows rows{1, 1, fine.token_begin.data(), fine.first_position.data(), fine.page_begin.data(), fine.slots.data()};
  rows.is_sparse = fine.is_sparse.data();
  KvPages pages = fine.pages();
  const TensorView q(fine.q.data(), DType::kF32, {1, fine.shape.heads(), fine.shape.head_dim});
  const SparseRule rule{.ratio = 0.5, .dense_below = 0, .dense_layers = 0};
  EXPECT_THROW(select_pages(context, q, rows, 0, pages, 1.0F, 0, rule, {4, list.data(), counts.data()}), ShapeError);
  EXPECT_THROW(select_pages(context, q, rows, 2, pages, 1.0F, 0, rule, {20, list.data(), counts.data()}), ShapeError);
  EXPECT_THROW(select_pages(context, q, rows, 0, pages, 1.0F, -1, rule, {20, list.data(), counts.data()}), ShapeError);
  pages.summaries = nullptr;
  EXPECT_THROW(select_pages(context, q, rows, 0, pages, 1.0F, 0, rule, {20, list.data(), counts.data()}), Error);
  pages.summaries = fine.table.data();
  rows.is_sparse = nullptr;  // no row is asked for: no lists
  select_pages(context, q, rows, 0, pages, 1.0F, 0, rule, {0, nullptr, counts.data()});
  EXPECT_EQ(counts, (std::vector<int32_t>{-1, -1}));
}

}  // namespace
}  // namespace lockstep::test
