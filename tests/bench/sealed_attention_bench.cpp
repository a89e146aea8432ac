// What each format of sealed pages costs in decoding, as time per 1024 tokens of context (the slope between two
// contexts that both exceed the last-level cache), in the prefill of a chunk behind a long context, and what sealing
// costs. Usage: bench_sealed_attention [threads] [instruction set] [short context] [long context]. Formats take turns
// inside one run; medians of processor time over all threads; ratios to BF16.
#include "kernels/seal_pages.h"
#include "tests/kernels/attention_support.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace lockstep::test {
namespace {

constexpr int64_t kPage = 64, kKvHeads = 8, kHeadDim = 128, kChunk = 512;
int64_t short_context = 8192, long_context = 24576;  // multiples of kChunk
constexpr int kRounds = 21;
constexpr KvFormat kFormats[] = {KvFormat::kFull, KvFormat::kKv8, KvFormat::kK8v4, KvFormat::kKv4};

/// One thread: processor time, which is what an idle machine takes whatever else runs now. More: wall-clock time.
double seconds_of(const OpContext& context, const auto& body) {
  const auto wall = std::chrono::steady_clock::now();
  const std::clock_t start = std::clock();
  body();
  if (context.threads->num_threads() == 1) return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - wall).count();
}

double median(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  return x[x.size() / 2];
}

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

void run(const OpContext& context) {
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
      const double few = seconds_of(context, [&] { pool.attend(short_context, 1, group); });
      return seconds_of(context, [&] { pool.attend(long_context, 1, group); }) - few;
    });
    const std::string name = "decode, group " + std::to_string(group);
    report(name.c_str(), slopes, static_cast<double>(long_context - short_context) / 1024.0, "per 1k context");
  }
  const auto prefill =
      rounds([&](Pool& pool) { return seconds_of(context, [&] { pool.attend(short_context, 64, 4); }); });
  report("prefill 64 behind 8k", prefill, 64.0, "per token");
  const auto sealing = rounds([&](Pool& pool) { return seconds_of(context, [&] { pool.seal(long_context); }); });
  for (size_t f = 1; f < pools.size(); ++f) {
    std::printf("%-24s %-5s %10.2f us per page and head\n", "seal", std::string(name_of(kFormats[f])).c_str(),
                median(sealing[f]) / (kChunk / kPage * kKvHeads) * 1e6);
  }
}

}  // namespace
}  // namespace lockstep::test

int main(int argc, char** argv) {
  using namespace lockstep;
  using namespace lockstep::test;
  const int num_threads = argc > 1 ? std::atoi(argv[1]) : 1;
  const CpuContext context(argc > 2 ? parse_cpu_isa(argv[2]) : detect_cpu_isa(), num_threads);
  if (argc > 4) short_context = std::atoi(argv[3]), long_context = std::atoi(argv[4]);
  run(context);
}
