#include "tests/bench/machine_limits.h"

#include "core/cpu_isa.h"

#include <atomic>
#include <chrono>
#include <immintrin.h>

namespace lockstep::bench {
namespace {

std::atomic<int64_t> sink;

__attribute__((target("avx512f"))) void read_lines(const char* data, int64_t bytes) {
  __m512i sums[4] = {};
  for (int64_t i = 0; i + 256 <= bytes; i += 256) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) sums[j] = _mm512_xor_si512(sums[j], _mm512_loadu_si512(data + i + 64 * j));
  }
  const __m512i all = _mm512_xor_si512(_mm512_xor_si512(sums[0], sums[1]), _mm512_xor_si512(sums[2], sums[3]));
  sink += _mm512_reduce_add_epi64(all);
}

constexpr int kChains = 12;  // more than latency times throughput of the instruction
constexpr int64_t kRounds = 200'000;
constexpr int64_t kFlopsPerRound = kChains * 64;

__attribute__((target("avx512f,avx512bf16"))) void dot_in_registers() {
  __m512 sums[kChains];  // different from each other, or they would be computed once
#pragma GCC unroll 12
  for (int j = 0; j < kChains; ++j) sums[j] = _mm512_set1_ps(static_cast<float>(j));
  const __m512bh a = (__m512bh)_mm512_set1_epi16(0x3f00), b = (__m512bh)_mm512_set1_epi16(0x3a00);
  for (int64_t i = 0; i < kRounds; ++i) {
#pragma GCC unroll 12
    for (int j = 0; j < kChains; ++j) sums[j] = _mm512_dpbf16_ps(sums[j], a, b);
  }
  __m512 all = sums[0];
  for (int j = 1; j < kChains; ++j) all = _mm512_add_ps(all, sums[j]);
  sink += static_cast<int64_t>(_mm512_reduce_add_ps(all));
}

}  // namespace

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double read_bandwidth(ThreadPool& pool, const Buffer& buffer) {
  if (detect_cpu_isa() < CpuIsa::kAvx512) return 0;
  const auto* data = static_cast<const char*>(buffer.data());
  const double start = now();
  pool.parallel_for(buffer.bytes(), 1 << 16,
                    [&](int64_t begin, int64_t end) { read_lines(data + begin, end - begin); });
  return static_cast<double>(buffer.bytes()) / (now() - start);
}

double dot_product_peak(ThreadPool& pool) {
  if (detect_cpu_isa() < CpuIsa::kAvx512Bf16) return 0;
  const int64_t pieces = 4 * pool.num_threads();
  const double start = now();
  pool.parallel_for(pieces, 1, [](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) dot_in_registers();
  });
  return static_cast<double>(pieces * kRounds * kFlopsPerRound) / (now() - start);
}

}  // namespace lockstep::bench
