#include "kernels/select_pages.h"

#include "core/graph.h"
#include "tests/kernels/cuda/device_support.h"
#include "tests/kernels/selection_support.h"

namespace lockstep::test {
namespace {

/// The inputs of a batch on the device, with padding behind its rows.
class DeviceSelection {
 public:
  DeviceSelection(CudaContext& context, SelectionInputs& in, const SparseRule& rule, int64_t max_end = 0)
      : in_(in),
        rule_(rule),
        context_(context),
        num_rows_(in.num_rows() + kPadding),
        capacity_(most_selected_pages(rule, std::max(max_end, in.most_tokens()) / in.shape.page_tokens + 1)),
        table_(context, DType::kI32, static_cast<int64_t>(in.table.size()) / 4),
        q_(context, DType::kF32, num_rows_ * in.shape.heads() * in.shape.head_dim),
        token_begin_(context, padded(in.token_begin, true)),
        first_position_(context, padded(in.first_position, false)),
        page_begin_(context, padded(in.page_begin, false)),
        slots_(context, in.slots),
        token_row_(context, padded(in.token_begin, true)),
        is_sparse_(context, padded(in.is_sparse, false)),
        pages_(context, DType::kI32, num_rows_ * in.shape.kv_heads * capacity_),
        counts_(context, DType::kI32, num_rows_ * in.shape.kv_heads),
        totals_(context, DType::kI32, static_cast<int64_t>(sizeof(SelectionTotals)) / 4) {
    upload();
    rows_.num_rows = rows_.num_tokens = rows_.num_single_rows = num_rows_;
    rows_.token_begin = static_cast<const int32_t*>(token_begin_.data());
    rows_.first_position = static_cast<const int32_t*>(first_position_.data());
    rows_.page_begin = static_cast<const int32_t*>(page_begin_.data());
    rows_.slots = static_cast<const int32_t*>(slots_.data());
    rows_.token_row = static_cast<const int32_t*>(token_row_.data());
    rows_.is_sparse = static_cast<const int32_t*>(is_sparse_.data());
    rows_.max_row_tokens = 1;
    rows_.max_end = std::max(in.most_tokens(), max_end);
  }

  void upload() {
    std::vector<std::byte> zeros(sizeof(SelectionTotals));
    totals_.upload(zeros.data());
    table_.upload(in_.table.data());
    std::vector<float> q = in_.q;
    q.resize(static_cast<size_t>(num_rows_ * in_.shape.heads() * in_.shape.head_dim), NAN);
    q_.upload(q.data());
  }

  void select() {
    KvPages pages = in_.pages();  // of which entries alone are read
    pages.base = nullptr;
    pages.summaries = static_cast<std::byte*>(table_.data());
    select_pages(context_, q_.view({num_rows_, in_.shape.heads(), in_.shape.head_dim}), rows_, in_.shape.layer, pages,
                 in_.shape.scale(), in_.shape.window, rule_,
                 {capacity_, static_cast<int32_t*>(pages_.data()), static_cast<int32_t*>(counts_.data()),
                  static_cast<SelectionTotals*>(totals_.data())});
  }

  SelectionResult result() {
    const std::vector<int32_t> pages = pages_.integers(), counts = counts_.integers();
    for (size_t i = static_cast<size_t>(in_.num_rows() * in_.shape.kv_heads); i < counts.size(); ++i) {
      EXPECT_EQ(counts[i], -1) << "padding";
    }
    SelectionTotals totals;
    std::memcpy(&totals, totals_.download().data(), sizeof totals);
    return result_of(in_, capacity_, pages.data(), counts.data(), totals);
  }

 private:
  static constexpr int64_t kPadding = 2;

  static std::vector<int32_t> padded(std::vector<int32_t> values, bool counts_on) {
    for (int64_t i = 0; i < kPadding; ++i) values.push_back(values.back() + (counts_on ? 1 : 0));
    return values;
  }

  SelectionInputs& in_;
  SparseRule rule_;
  CudaContext& context_;
  int64_t num_rows_, capacity_;
  DeviceArray table_, q_, token_begin_, first_position_, page_begin_, slots_, token_row_, is_sparse_;
  DeviceArray pages_, counts_, totals_;
  RaggedRows rows_;
};

SelectionResult on_device(CudaContext& context, SelectionInputs& in, const SparseRule& rule, int64_t max_end = 0) {
  DeviceSelection selection(context, in, rule, max_end);
  selection.select();
  return selection.result();
}

SelectionResult on_host(SelectionInputs& in, const SparseRule& rule) {
  const CpuContext context;
  const int64_t capacity = most_selected_pages(rule, in.most_tokens() / in.shape.page_tokens + 1);
  std::vector<int32_t> pages(static_cast<size_t>(in.num_rows() * in.shape.kv_heads * capacity));
  std::vector<int32_t> counts(static_cast<size_t>(in.num_rows() * in.shape.kv_heads));
  SelectionTotals totals;
  RaggedRows rows{in.num_rows(),        in.num_rows(),  in.token_begin.data(), in.first_position.data(),
                  in.page_begin.data(), in.slots.data()};
  rows.is_sparse = in.is_sparse.data();
  select_pages(context, TensorView(in.q.data(), DType::kF32, {in.num_rows(), in.shape.heads(), in.shape.head_dim}),
               rows, in.shape.layer, in.pages(), in.shape.scale(), in.shape.window, rule,
               {capacity, pages.data(), counts.data(), &totals});
  return result_of(in, capacity, pages.data(), counts.data(), totals);
}

void expect_same(const SelectionResult& result, const SelectionResult& expected) {
  EXPECT_EQ(result, expected);
  EXPECT_EQ(result.totals.lists, expected.totals.lists);
  EXPECT_EQ(result.totals.dense_lists, expected.totals.dense_lists);
  EXPECT_EQ(result.totals.fallback_lists, expected.totals.fallback_lists);
  EXPECT_EQ(result.totals.fallback_rows, expected.totals.fallback_rows);
  EXPECT_EQ(result.totals.pages_read, expected.totals.pages_read);
  EXPECT_EQ(result.totals.pages_there, expected.totals.pages_there);
  EXPECT_EQ(result.totals.mass, expected.totals.mass);
}

TEST(CudaSelectPages, ListsAreThoseOfTheCpu) {
  CudaContext context;
  for (const SelectionShape& shape : selection_shapes()) {
    SCOPED_TRACE(words(shape));
    SelectionInputs in(shape, mixed_rows(shape.page_tokens), 3);
    const SelectionResult result = on_device(context, in, small_rule());
    expect_ranking(in, small_rule(), result);
    expect_same(result, on_host(in, small_rule()));
    SparseRule rule = small_rule();
    rule.mass = 0.7;
    rule.ratio = 0.9;
    rule.least_pages = 0;
    expect_same(on_device(context, in, rule), on_host(in, rule));
  }
}

TEST(CudaSelectPages, MorePagesThanABlockHasThreads) {
  CudaContext context;
  const SelectionShape shape{.group = 2, .kv_heads = 1, .head_dim = 24};
  SelectionInputs in(shape, {{16 * 700 + 5}, {16 * 257}}, 8);
  const SparseRule rule{.ratio = 0.1, .dense_below = 0, .dense_layers = 0};
  expect_same(on_device(context, in, rule), on_host(in, rule));
  expect_same(on_device(context, in, rule, 16 * 900), on_host(in, rule));  // the host may be told of more
}

TEST(CudaSelectPages, EqualPagesAreTakenFromTheFirstOn) {
  CudaContext context;
  SelectionInputs in({}, {{16 * 40}}, 1);
  std::fill(in.q.begin(), in.q.end(), 0.0F);
  const SparseRule rule{
      .ratio = 0.2, .dense_below = 0, .dense_layers = 0, .sink_pages = 1, .recent_pages = 2, .least_pages = 0};
  const SelectionResult result = on_device(context, in, rule);
  EXPECT_EQ(result.lists[0], (std::vector<int32_t>{0, 1, 2, 3, 4, 37, 38, 39}));
  in.means(0, 1, 29)[3] = Half{0x7e00};  // NaN: read whatever stands beside it
  expect_same(on_device(context, in, rule), on_host(in, rule));
}

TEST(CudaSelectPages, FallbacksAreCountedAsOnTheCpu) {
  CudaContext context;
  for (const int64_t dense_layers : {0, 1, 2}) {
    SelectionInputs in({}, {{320}, {160}, {320, false}}, 3);
    const SparseRule rule{.ratio = 0.1, .dense_below = 200, .dense_layers = dense_layers};
    const SelectionResult result = on_device(context, in, rule);
    EXPECT_EQ(result.totals.fallback_lists, dense_layers == 2 ? 0 : 2) << dense_layers;
    EXPECT_EQ(result.totals.fallback_rows, dense_layers == 1 ? 1 : 0) << dense_layers;
    expect_same(result, on_host(in, rule));
  }
}

TEST(CudaSelectPages, RecordedWorkServesOtherQueries) {
  CudaContext context;
  SelectionInputs in({}, mixed_rows(16), 3);
  DeviceSelection selection(context, in, small_rule());
  selection.select();  // memory that is kept between calls must be there before
  Graph graph = Graph::capture(context.stream(), [&] { selection.select(); });
  std::reverse(in.q.begin(), in.q.end());
  selection.upload();
  graph.launch(context.stream());
  expect_same(selection.result(), on_host(in, small_rule()));
}

}  // namespace
}  // namespace lockstep::test
