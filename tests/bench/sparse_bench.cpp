// Page-sparse decode attention: what it finds and what it costs. kUsage tells how it is called and judged.
// recall: every key of a context asked with dense and with sparse attention, by format and ratio.
// speed: selection, sparse and dense attention in turn, medians, of processor time with one thread, on the same BF16 or
// coded pages.
#include "examples/associative_model.h"
#include "kernels/page_summaries.h"
#include "kernels/seal_pages.h"
#include "tests/bench/attention_bytes.h"
#include "tests/bench/bench_arguments.h"
#include "tests/bench/call_time.h"
#include "tests/bench/limits.h"
#include "tests/kernels/attention_mass.h"
#include "tests/kernels/op_support.h"
#include "tests/support/associative_layer.h"

#include <algorithm>
#include <cstdio>
#include <string_view>

namespace lockstep::test {
namespace {

using examples::AssociativeContext;
using examples::AssociativeModel;
using testing_support::AssociativeLayer;

constexpr const char* kUsage =
    "usage: bench_sparse recall MODEL_DIR [tokens] [--ratios R,…]\n"
    "       bench_sparse speed [tokens] [threads] [--limit NAME=NUMBER,…]\n"
    "recall: MODEL_DIR by make_associative_checkpoint, of its default keys and hay; tokens: whole pages of 64 "
    "(131072);\n"
    "--ratios: 0.1,0.05,0.02. The exit code is 1 if any answer is wrong, dense or sparse\n"
    "speed: tokens from 2048 on, whole pages of 64 (32768). --limit: speedup=2.5 is the least factor, bytes=0.15 the\n"
    "greatest share of the dense bytes; the exit code is 1 where a median passes one\n";

struct NamedFormat {
  const char* name;
  KvFormat format;
};
constexpr int64_t kPageTokens = 64;
constexpr NamedFormat kFormats[] = {
    {"bf16", KvFormat::kFull}, {"kv8", KvFormat::kKv8}, {"k8v4", KvFormat::kK8v4}, {"kv4", KvFormat::kKv4}};

/// Returns how many answers are wrong.
int64_t report_recall(AssociativeLayer& layer, const AssociativeModel& model, const AssociativeContext& facts,
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
  return model.keys - right;
}

/// Returns the exit code.
int recall(const std::string& directory, int64_t tokens, const std::vector<double>& ratios) {
  AssociativeModel model;  // places of tokens follow from the defaults
  const CpuContext context;
  const AssociativeContext facts = examples::make_context(model, tokens, 1.0 / 32, 1);
  int64_t wrong = 0;
  for (const NamedFormat& format : kFormats) {
    AssociativeLayer layer(context, directory, format.format, kPageTokens, tokens + kPageTokens);
    layer.hold(facts.tokens);
    wrong += report_recall(layer, model, facts, format.name, nullptr);
    for (const double ratio : ratios) {
      const SparseRule rule{.ratio = ratio, .dense_below = 0, .dense_layers = 0};
      wrong += report_recall(layer, model, facts, format.name, &rule);
    }
  }
  if (wrong > 0) std::printf("%ld answers are wrong\n", wrong);
  return wrong > 0 ? 1 : 0;
}

/// `tokens`, which must fill pages.
int64_t whole_pages(int64_t tokens) {
  LS_REQUIRE(ConfigError, tokens % kPageTokens == 0, "tokens = {}: accepted are multiples of {}", tokens, kPageTokens);
  return tokens;
}

void speed(const NamedFormat& format, int64_t heads, int64_t kv_heads, int64_t tokens, int threads, Limits& limits) {
  const CpuContext cpu(detect_cpu_isa(), threads);
  constexpr int64_t kHeadDim = 128, kLayers = 6;  // in turn, so that none is in a cache
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
    dense.push_back(seconds_of(threads, [&] { paged_attention(cpu, query, rows, other, pages, 0.088F, 0, result); }));
    select.push_back(
        seconds_of(threads, [&] { select_pages(cpu, query, rows, layer, pages, 0.088F, 0, rule, lists); }));
    sparse.push_back(
        seconds_of(threads, [&] { paged_attention(cpu, query, rows, layer, pages, 0.088F, 0, result, &selection); }));
  }
  // The last call's lists: they have equal lengths in all layers.
  int64_t sparse_bytes = 0;
  for (int64_t head = 0; head < kv_heads; ++head) {
    const auto begin = list.begin() + head * capacity;
    sparse_bytes += selection_bytes(layout, num_pages - 1) +
                    attended_bytes(layout, 0, {begin, begin + counts[static_cast<size_t>(head)]});
  }
  const double share =
      static_cast<double>(sparse_bytes) / static_cast<double>(kv_heads * dense_bytes(layout, 0, num_pages - 1));
  const double speedup = median(dense) / (median(select) + median(sparse));
  std::printf(
      "%-5s heads %ld/%ld, %ld tokens, %d threads: dense %.0f us, select %.0f us, sparse %.0f us, %.2f x; bytes %.1f "
      "%%\n",
      format.name, heads, kv_heads, tokens, threads, median(dense) * 1e6, median(select) * 1e6, median(sparse) * 1e6,
      speedup, 100.0 * share);
  const std::string what = fmt::format("{}, heads {}/{}: ", format.name, heads, kv_heads);
  limits.expect_at_least("speedup", what + "speedup", speedup);
  limits.expect_at_most("bytes", what + "share of the bytes", share);
  std::fflush(stdout);
}

int run_recall(const BenchArguments& arguments) {
  arguments.expect_at_most(3);
  LS_REQUIRE(ConfigError, arguments.values.size() > 1, "recall needs MODEL_DIR");
  LS_REQUIRE(ConfigError, !arguments.options.contains("limit"), "recall has no limits: every answer must be right");
  const int64_t tokens = whole_pages(arguments.number(2, "tokens", 131072, kPageTokens));
  const auto given = arguments.options.find("ratios");
  std::vector<double> ratios;
  for (const std::string& text : split_list(given != arguments.options.end() ? given->second : "0.1,0.05,0.02")) {
    ratios.push_back(parse_positive("ratio", text));
    LS_REQUIRE(ConfigError, ratios.back() < 1.0, "ratio = {}: accepted are numbers below 1", text);
  }
  return recall(arguments.values[1], tokens, ratios);
}

int run_speed(const BenchArguments& arguments) {
  arguments.expect_at_most(3);
  LS_REQUIRE(ConfigError, !arguments.options.contains("ratios"), "speed has a ratio of 0.1");
  // Below the rule's dense_below nothing is left out.
  const int64_t tokens = whole_pages(arguments.number(1, "tokens", 32768, SparseRule{}.dense_below));
  const auto threads = static_cast<int>(arguments.number(2, "threads", 1, 1));
  Limits limits;
  if (arguments.options.contains("limit")) limits = Limits(arguments.options.at("limit"), {"speedup", "bytes"});
  for (const NamedFormat& format : kFormats) {
    speed(format, 8, 2, tokens, threads, limits);
    speed(format, 4, 4, tokens, threads, limits);
  }
  return limits.exit_code();
}

}  // namespace
}  // namespace lockstep::test

int main(int argc, char** argv) {
  using namespace lockstep;
  using namespace lockstep::test;
  try {
    const BenchArguments arguments(argc, argv, {"limit", "ratios"});
    const std::string what = arguments.values.empty() ? "" : arguments.values.front();
    if (what == "recall") return run_recall(arguments);
    if (what == "speed") return run_speed(arguments);
    LS_THROW(ConfigError, "'{}': accepted are recall, speed", what);
  } catch (const ConfigError& error) {
    std::fprintf(stderr, "bench_sparse: %s\n%s", error.what(), kUsage);
    return 2;
  }
}
