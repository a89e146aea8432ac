// Page-sparse decode attention: what it finds and what it costs.
// Usage: bench_sparse recall MODEL_DIR [tokens]   MODEL_DIR by make_associative_checkpoint, of its default keys and hay
//        bench_sparse speed [tokens] [threads]
// recall: every key of a context asked with dense and with sparse attention, by format and ratio.
// speed: selection, sparse and dense attention in turn, medians, on the same BF16 or coded pages.
#include "examples/associative_model.h"
#include "kernels/page_summaries.h"
#include "kernels/seal_pages.h"
#include "tests/kernels/attention_mass.h"
#include "tests/kernels/op_support.h"
#include "tests/support/associative_layer.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <string_view>

namespace lockstep::test {
namespace {

using examples::AssociativeContext;
using examples::AssociativeModel;
using testing_support::AssociativeLayer;

struct NamedFormat {
  const char* name;
  KvFormat format;
};
constexpr NamedFormat kFormats[] = {
    {"bf16", KvFormat::kFull}, {"kv8", KvFormat::kKv8}, {"k8v4", KvFormat::kK8v4}, {"kv4", KvFormat::kKv4}};

void report_recall(AssociativeLayer& layer, const AssociativeModel& model, const AssociativeContext& facts,
                   const char* format, const SparseRule* rule) {
  int64_t right = 0, listed = 0;
  double mass = 0.0;
  const SelectionTotals before = layer.totals();
  const int64_t heads = layer.config().num_kv_heads, head_dim = layer.config().head_dim;
  for (int64_t key = 0; key < model.keys; ++key) {
    layer.forget_asked();
    right += layer.ask(model.ask(key), rule) == examples::answer_of(model, facts, key, 1).front() ? 1 : 0;
    if (rule == nullptr) continue;
    for (int64_t head = 0; head < heads; ++head) {
      const std::vector<int32_t> list = layer.list(head);
      const auto page =
          static_cast<int32_t>(facts.place_of[static_cast<size_t>(key)] / layer.pages().layout.page_tokens);
      listed += std::binary_search(list.begin(), list.end(), page) ? 1 : 0;
      if (layer.pages().layout.is_coded()) continue;
      const float* q = layer.queries().data() + head * (layer.config().num_heads / heads) * head_dim;
      mass += attention_mass(layer.pages(), layer.slots(), head, 0, {q, static_cast<size_t>(head_dim)},
                             layer.length() - 1, layer.scale(), 0, list);
    }
  }
  std::printf("%-5s %-14s answers %ld of %ld", format,
              rule == nullptr ? "dense" : ("ratio " + std::to_string(rule->ratio).substr(0, 5)).c_str(), right,
              model.keys);
  if (rule != nullptr) {
    const auto lists = static_cast<double>(model.keys * heads);
    std::printf(", lists with the fact %.2f %%, pages read %.2f %%", 100.0 * static_cast<double>(listed) / lists,
                100.0 * static_cast<double>(layer.totals().pages_read - before.pages_read) /
                    static_cast<double>(layer.totals().pages_there - before.pages_there));
    if (!layer.pages().layout.is_coded()) std::printf(", attention mass covered %.4f", mass / lists);
  }
  std::printf("\n");
  std::fflush(stdout);
}

void recall(const char* directory, int64_t tokens) {
  AssociativeModel model;  // places of tokens follow from the defaults
  const CpuContext context;
  const AssociativeContext facts = examples::make_context(model, tokens, 1.0 / 32, 1);
  for (const NamedFormat& format : kFormats) {
    AssociativeLayer layer(context, directory, format.format, 64, tokens + 64);
    layer.hold(facts.tokens);
    report_recall(layer, model, facts, format.name, nullptr);
    for (const double ratio : {0.1, 0.05, 0.02, 0.01}) {
      const SparseRule rule{.ratio = ratio, .dense_below = 0, .dense_layers = 0};
      report_recall(layer, model, facts, format.name, &rule);
    }
  }
}

template <class Body>
double seconds_of(Body body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}
double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void speed(const NamedFormat& format, int64_t heads, int64_t kv_heads, int64_t tokens, int threads) {
  const CpuContext cpu(detect_cpu_isa(), threads);
  constexpr int64_t kHeadDim = 128, kPageTokens = 64, kLayers = 6;  // in turn, so that none is in a cache
  KvLayout layout{kPageTokens, kv_heads, kLayers, kHeadDim, DType::kBF16, format.format};
  layout.has_summaries = format.format == KvFormat::kFull;
  const int64_t num_pages = tokens / kPageTokens;
  Buffer pool(layout.slots_for(tokens) * layout.page_bytes());
  KvPages pages{static_cast<std::byte*>(pool.data()), layout};
  Buffer summaries(layout.slots_for(tokens) * summary_slot_bytes(layout));
  pages.summaries = static_cast<std::byte*>(summaries.data());
  pages.num_summaries = layout.slots_for(tokens);
  Buffer open(pages.open_layout().page_bytes());
  pages.open_base = static_cast<std::byte*>(open.data());

  std::vector<int32_t> slots(static_cast<size_t>(layout.slots_for(tokens)));
  // Neighbours in the sequence lie apart, as in a pool in use.
  for (size_t i = 0; i < slots.size(); ++i) slots[i] = static_cast<int32_t>(i * 37 % slots.size());
  const std::vector<int32_t> one = {0, 1}, all_pages = {0, static_cast<int32_t>(slots.size())}, open_slots = {0};
  for (int64_t page = 0; page < num_pages; ++page) {
    const std::vector<int32_t> token_begin = {0, kPageTokens}, position = {static_cast<int32_t>(page * kPageTokens)};
    RaggedRows rows{1, kPageTokens, token_begin.data(), position.data(), all_pages.data(), slots.data()};
    rows.open_begin = one.data();
    rows.open_slots = open_slots.data();
    std::vector<float> k = random_floats(kPageTokens * kv_heads * kHeadDim, static_cast<uint64_t>(page) + 1);
    const TensorView kv(k.data(), DType::kF32, {kPageTokens, kv_heads, kHeadDim});
    for (int64_t layer = 0; layer < kLayers; ++layer) write_kv(cpu, kv, kv, rows, layer, pages);
    if (page + 1 == num_pages) break;  // the own page stays open
    const auto first = static_cast<size_t>(page + (layout.splits_first_page() && page > 0 ? 1 : 0));
    const int32_t entry = slots[first];
    const int32_t values = slots[first + (layout.splits_first_page() && page == 0 ? 1 : 0)];
    for (int64_t layer = 0; layer < kLayers; ++layer) {
      seal_pages(cpu, {1, open_slots.data(), &entry, &values}, layer, pages);
    }
  }
  const std::vector<int32_t> last = {static_cast<int32_t>(tokens - 1)}, is_sparse = {1};
  RaggedRows rows{1, 1, one.data(), last.data(), all_pages.data(), slots.data()};
  rows.open_begin = one.data();
  rows.open_slots = open_slots.data();
  rows.is_sparse = is_sparse.data();
  std::vector<float> q = random_floats(heads * kHeadDim, 3), out(q.size());
  const TensorView query(q.data(), DType::kF32, {1, heads, kHeadDim}),
      result(out.data(), DType::kF32, {1, heads * kHeadDim});
  const SparseRule rule{.ratio = 0.1, .dense_layers = 0};
  const int64_t capacity = most_selected_pages(rule, num_pages);
  std::vector<int32_t> list(static_cast<size_t>(kv_heads * capacity)), counts(static_cast<size_t>(kv_heads));
  const SelectionLists lists{capacity, list.data(), counts.data(), nullptr};
  const PageSelection selection = lists.view();
  std::vector<double> dense, select, sparse;
  for (int i = 0; i < 60; ++i) {
    const int64_t layer = i % kLayers, other = (i + kLayers / 2) % kLayers;
    dense.push_back(seconds_of([&] { paged_attention(cpu, query, rows, other, pages, 0.088F, 0, result); }));
    select.push_back(seconds_of([&] { select_pages(cpu, query, rows, layer, pages, 0.088F, 0, rule, lists); }));
    sparse.push_back(
        seconds_of([&] { paged_attention(cpu, query, rows, layer, pages, 0.088F, 0, result, &selection); }));
  }
  const double summary_bytes = static_cast<double>(num_pages * summary_entry_bytes(layout));
  const double page_bytes = static_cast<double>(layout.layer_bytes(0) - layout.summary_bytes());
  const double share =
      (summary_bytes + static_cast<double>(capacity) * page_bytes) / (static_cast<double>(num_pages) * page_bytes);
  std::printf(
      "%-5s heads %ld/%ld, %ld tokens, %d threads: dense %.0f us, select %.0f us, sparse %.0f us, %.2f x; bytes %.1f "
      "%%\n",
      format.name, heads, kv_heads, tokens, threads, median(dense) * 1e6, median(select) * 1e6, median(sparse) * 1e6,
      median(dense) / (median(select) + median(sparse)), 100.0 * share);
  std::fflush(stdout);
}

}  // namespace
}  // namespace lockstep::test

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what == "recall" && argc > 2) {
    lockstep::test::recall(argv[2], argc > 3 ? std::atol(argv[3]) : 131072);
    return 0;
  }
  if (what == "speed") {
    const int64_t tokens = argc > 2 ? std::atol(argv[2]) : 32768;
    const int threads = argc > 3 ? std::atoi(argv[3]) : 1;
    for (const auto& format : lockstep::test::kFormats) {
      lockstep::test::speed(format, 8, 2, tokens, threads);
      lockstep::test::speed(format, 4, 4, tokens, threads);
    }
    return 0;
  }
  std::fprintf(stderr, "usage: bench_sparse recall MODEL_DIR [tokens] | bench_sparse speed [tokens] [threads]\n");
  return 2;
}
