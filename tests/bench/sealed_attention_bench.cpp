// What each format of sealed pages costs in decoding, as time per 1024 tokens of context (the slope between two
// contexts that both exceed the last-level cache), in the prefill of a chunk behind a long context, and what sealing
// costs. Formats take turns inside one run; medians, of processor time with one thread; ratios to BF16. kUsage tells
// how it is called and judged.
#include "kernels/seal_pages.h"
#include "tests/bench/bench_arguments.h"
#include "tests/bench/call_time.h"
#include "tests/bench/limits.h"
#include "tests/kernels/attention_support.h"

#include <cmath>
#include <cstdio>

namespace lockstep::test {
namespace {

constexpr int64_t kPage = 64, kKvHeads = 8, kHeadDim = 128, kChunk = 512;
int64_t short_context = 8192, long_context = 24576;  // multiples of kChunk: contexts are written in whole chunks
constexpr int kRounds = 21;
constexpr const char* kUsage =
    "usage: bench_sealed_attention [threads] [instruction set] [short context] [long context] [--limit NAME=SHARE,…]\n"
    "contexts: multiples of 512 tokens, the short one from 512, the long one beyond it (8192 and 24576)\n"
    "--limit: the most that the slope of decoding may be of BF16's, as kv8=0.60,k8v4=0.50,kv4=0.40;\n"
    "the exit code is 1 where the median of a group passes it\n";
constexpr KvFormat kFormats[] = {KvFormat::kFull, KvFormat::kKv8, KvFormat::kK8v4, KvFormat::kKv4};

/// One sequence of long_context tokens of one layer and one more page that stays open.
class Pool {
 public:
  Pool(const OpContext& context, KvFormat format) : context_(context) {
    pages_.layout = {kPage, kKvHeads, 1, kHeadDim, DType::kBF16};
    pages_.layout.format = format;
    const int64_t num_slots = pages_.layout.slots_for(long_context + kChunk);
    pool_ = Buffer(num_slots * pages_.layout.page_bytes());
    open_ = Buffer((kChunk / kPage + 1) * pages_.open_layout().page_bytes());
    pages_.base = static_cast<std::byte*>(pool_.data());
    pages_.open_base = static_cast<std::byte*>(open_.data());
    // Neighbours in the sequence lie apart, as in a pool in use.
    for (int64_t i = 0; i < num_slots; ++i) slots_.push_back(static_cast<int32_t>(i * 37 % num_slots));
    for (int64_t i = 0; i <= kChunk / kPage; ++i) open_slots_.push_back(static_cast<int32_t>(i));
    k_ = random_floats(kChunk * kKvHeads * kHeadDim, 1);
    v_ = random_floats(kChunk * kKvHeads * kHeadDim, 2);
    for (int64_t first = 0; first < long_context + kChunk; first += kChunk) write(first);
  }

  void write(int64_t first) {
    const Shape shape = {kChunk, kKvHeads, kHeadDim};
    write_kv(context_, TensorView(k_.data(), DType::kF32, shape), TensorView(v_.data(), DType::kF32, shape),
             rows(first, kChunk), 0, pages_);
    seal(first);
  }
  void seal(int64_t first) {
    std::vector<int32_t> open, keys, values;
    for (int64_t page = first / kPage; page < (first + kChunk) / kPage; ++page) {
      const bool splits = pages_.layout.splits_first_page();
      open.push_back(static_cast<int32_t>(page - first / kPage));
      keys.push_back(slots_[static_cast<size_t>(page + (splits && page > 0 ? 1 : 0))]);
      values.push_back(splits && page == 0 ? slots_[1] : keys.back());
    }
    seal_pages(context_, {static_cast<int64_t>(open.size()), open.data(), keys.data(), values.data()}, 0, pages_);
  }
  /// `count` queries from position `first` on.
  void attend(int64_t first, int64_t count, int64_t group) {
    const int64_t heads = kKvHeads * group;
    if (q_.size() != static_cast<size_t>(count * heads * kHeadDim)) {
      q_ = random_floats(count * heads * kHeadDim, 3);
      out_.resize(q_.size());
    }
    paged_attention(context_, TensorView(q_.data(), DType::kF32, {count, heads, kHeadDim}), rows(first, count), 0,
                    pages_, 0.0884F, 0, TensorView(out_.data(), DType::kF32, {count, heads * kHeadDim}));
  }

 private:
  RaggedRows rows(int64_t first, int64_t count) {
    token_begin_ = {0, static_cast<int32_t>(count)};
    first_ = {static_cast<int32_t>(first)};
    page_begin_ = {0, static_cast<int32_t>(slots_.size())};
    open_begin_ = {0, static_cast<int32_t>(open_slots_.size())};
    RaggedRows rows;
    rows.num_rows = 1;
    rows.num_tokens = count;
    rows.token_begin = token_begin_.data();
    rows.first_position = first_.data();
    rows.page_begin = page_begin_.data();
    rows.slots = slots_.data();
    rows.open_begin = open_begin_.data();
    rows.open_slots = open_slots_.data();
    return rows;
  }

  const OpContext& context_;
  KvPages pages_;
  Buffer pool_, open_;
  std::vector<int32_t> slots_, open_slots_, token_begin_, first_, page_begin_, open_begin_;
  std::vector<float> k_, v_, q_, out_;
};

void report(const char* what, const std::vector<std::vector<double>>& seconds, double per, const char* unit) {
  const double full = median(seconds[0]);
  for (size_t f = 0; f < std::size(kFormats); ++f) {
    const double own = median(seconds[f]);
    std::printf("%-24s %-5s %10.2f us %s %6.1f %% of bf16\n", what,
                f == 0 ? "bf16" : std::string(name_of(kFormats[f])).c_str(), own / per * 1e6, unit, own / full * 100.0);
  }
}

/// Slopes of all groups; without one of BF16 that is above 0 there is nothing to compare with.
void judge(const std::string& what, const std::vector<std::vector<double>>& slopes, Limits& limits) {
  const double full = median(slopes[0]);
  for (size_t f = 1; f < std::size(kFormats); ++f) {
    const std::string name(name_of(kFormats[f]));
    limits.expect_at_most(name, what + ", " + name + " of bf16", full > 0.0 ? median(slopes[f]) / full : NAN);
  }
}

/// Returns the exit code.
int run(const OpContext& context, Limits limits) {
  const int num_threads = context.threads->num_threads();
  std::vector<Pool> pools;
  for (const KvFormat format : kFormats) pools.emplace_back(context, format);
  const auto rounds = [&](const auto& measure) {
    std::vector<std::vector<double>> seconds(pools.size());
    for (int round = 0; round < kRounds; ++round) {
      for (size_t f = 0; f < pools.size(); ++f) seconds[f].push_back(measure(pools[f]));
    }
    return seconds;
  };
  for (const int64_t group : {1, 4, 8}) {
    const auto slopes = rounds([&](Pool& pool) {
      const double few = seconds_of(num_threads, [&] { pool.attend(short_context, 1, group); });
      return seconds_of(num_threads, [&] { pool.attend(long_context, 1, group); }) - few;
    });
    const std::string name = "decode, group " + std::to_string(group);
    report(name.c_str(), slopes, static_cast<double>(long_context - short_context) / 1024.0, "per 1k context");
    judge(name, slopes, limits);
  }
  const auto prefill =
      rounds([&](Pool& pool) { return seconds_of(num_threads, [&] { pool.attend(short_context, 64, 4); }); });
  report(("prefill 64 behind " + std::to_string(short_context)).c_str(), prefill, 64.0, "per token");
  const auto sealing = rounds([&](Pool& pool) { return seconds_of(num_threads, [&] { pool.seal(long_context); }); });
  for (size_t f = 1; f < pools.size(); ++f) {
    std::printf("%-24s %-5s %10.2f us per page and head\n", "seal", std::string(name_of(kFormats[f])).c_str(),
                median(sealing[f]) / (kChunk / kPage * kKvHeads) * 1e6);
  }
  return limits.exit_code();
}

}  // namespace
}  // namespace lockstep::test

int main(int argc, char** argv) {
  using namespace lockstep;
  using namespace lockstep::test;
  try {
    const BenchArguments arguments(argc, argv, {"limit"});
    arguments.expect_at_most(4);
    const int64_t num_threads = arguments.number(0, "threads", 1, 1);
    const CpuIsa isa = arguments.values.size() > 1 ? parse_cpu_isa(arguments.values[1]) : detect_cpu_isa();
    LS_REQUIRE(ConfigError, isa <= detect_cpu_isa(), "instruction set {}: this CPU has {} at most", name_of(isa),
               name_of(detect_cpu_isa()));
    short_context = arguments.number(2, "short context", short_context, kChunk);
    long_context = arguments.number(3, "long context", long_context, kChunk);
    LS_REQUIRE(ConfigError, short_context % kChunk == 0 && long_context % kChunk == 0 && short_context < long_context,
               "contexts of {} and {} tokens: accepted are multiples of {}, the second beyond the first", short_context,
               long_context, kChunk);
    Limits limits;
    if (arguments.options.contains("limit")) limits = Limits(arguments.options.at("limit"), {"kv8", "k8v4", "kv4"});
    const CpuContext context(isa, static_cast<int>(num_threads));
    return run(context, limits);
  } catch (const ConfigError& error) {
    std::fprintf(stderr, "bench_sealed_attention: %s\n%s", error.what(), kUsage);
    return 2;
  }
}
