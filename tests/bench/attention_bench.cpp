// Speed of paged attention: decode in GB/s of keys and values read, prefill in GFLOP/s (4 · head_dim per visible pair).
// Usage: bench_attention [threads]. Best of several repetitions by the processor time of the process: with one thread
// it is the time on an idle machine, whatever else runs now.
#include "tests/kernels/attention_support.h"

#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace lockstep::test {
namespace {

struct Case {
  const char* name;
  int64_t heads, kv_heads, head_dim, context, num_queries;
};

double best_seconds(const OpContext& context, const Case& c, DType dtype) {
  const int num_threads = context.threads->num_threads();
  KvLayout layout{64, c.kv_heads, 1, c.head_dim, dtype};
  const int64_t num_pages = (c.context + 63) / 64;
  Buffer pool(num_pages * layout.page_bytes());
  std::vector<int32_t> slots(static_cast<size_t>(num_pages));
  std::iota(slots.begin(), slots.end(), 0);
  std::vector<float> k = random_floats(c.context * c.kv_heads * c.head_dim, 1);
  std::vector<float> q = random_floats(c.num_queries * c.heads * c.head_dim, 2), out(q.size());
  const std::vector<int32_t> page_begin = {0, static_cast<int32_t>(num_pages)};
  const KvPages pages{static_cast<std::byte*>(pool.data()), layout};
  const auto rows = [&](const std::vector<int32_t>& token_begin, const std::vector<int32_t>& first) {
    return RaggedRows{1, token_begin[1], token_begin.data(), first.data(), page_begin.data(), slots.data()};
  };
  const std::vector<int32_t> all = {0, static_cast<int32_t>(c.context)}, zero = {0};
  const TensorView kv(k.data(), DType::kF32, {c.context, c.kv_heads, c.head_dim});
  write_kv(context, kv, kv, rows(all, zero), 0, pages);

  const std::vector<int32_t> some = {0, static_cast<int32_t>(c.num_queries)};
  const std::vector<int32_t> first = {static_cast<int32_t>(c.context - c.num_queries)};
  double best = 1e30;
  double spent = 0.0;
  for (int i = 0; i < 200 && (i < 3 || spent < 0.7); ++i) {
    const std::clock_t start = std::clock();
    paged_attention(context, TensorView(q.data(), DType::kF32, {c.num_queries, c.heads, c.head_dim}), rows(some, first),
                    0, pages, 0.1F, 0, TensorView(out.data(), DType::kF32, {c.num_queries, c.heads * c.head_dim}));
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC / num_threads;
    best = std::min(best, seconds);
    spent += seconds;
  }
  return best;
}

void report(const CpuContext& context, const Case& c, DType dtype) {
  const double seconds = best_seconds(context, c, dtype);
  const double bytes = 2.0 * static_cast<double>(c.context * c.kv_heads * c.head_dim * size_of(dtype));
  const double n = static_cast<double>(c.num_queries), before = static_cast<double>(c.context - c.num_queries);
  const double pairs = n * before + n * (n + 1.0) / 2.0;
  const double flops = 4.0 * pairs * static_cast<double>(c.heads * c.head_dim);
  std::printf("%-12s %-14s %-5s %9.3f ms %8.2f GB/s %8.1f GFLOP/s\n",
              name_of(static_cast<const OpContext&>(context).isa).data(), c.name, name_of(dtype).data(), seconds * 1e3,
              bytes / seconds * 1e-9, flops / seconds * 1e-9);
}

}  // namespace
}  // namespace lockstep::test

int main(int argc, char** argv) {
  using namespace lockstep;
  using namespace lockstep::test;
  const int num_threads = argc > 1 ? std::atoi(argv[1]) : 1;
  constexpr Case kCases[] = {{"decode 12/4x64", 12, 4, 64, 4096, 1},
                             {"decode 32/8x128", 32, 8, 128, 4096, 1},
                             {"prefill 512", 12, 4, 64, 512, 512},
                             {"prefill 2048", 32, 8, 128, 2048, 2048}};
  for (const CpuIsa isa : isa_levels()) {
    const CpuContext context(isa, num_threads);
    for (const Case& c : kCases) {
      for (const DType dtype : {DType::kF32, DType::kBF16}) report(context, c, dtype);
    }
  }
}
