// Speed of kernels/linear.h beside the machine's own limits.
// usage: bench_linear [dtype = bf16] [isa = the machine's highest] [rounds = 5]
//
// Weights are cold: products cycle over copies that exceed every cache. Each round measures the limits and every row
// count in turn, so that a disturbance hits all; printed are the medians, and the medians of the ratios within rounds.
#include "kernels/linear.h"
#include "tests/bench/machine_limits.h"

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

namespace lockstep::bench {
namespace {

constexpr int64_t kColdBytes = int64_t{512} << 20;
constexpr double kSecondsPerPoint = 0.15;

struct Options {
  DType dtype = DType::kBF16;
  CpuIsa isa = CpuIsa::kScalar;
  int rounds = 5;
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<int64_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

Buffer random_matrix(DType dtype, int64_t rows, int64_t columns) {
  Buffer buffer(rows * columns * size_of(dtype));
  uint32_t state = 1;
  visit_floating(dtype, [&]<class T>() {
    T* out = static_cast<T*>(buffer.data());
    for (int64_t i = 0; i < rows * columns; ++i) {
      state = state * 1664525U + 1013904223U;
      out[i] = from_float<T>(static_cast<float>(state >> 8) * 0x1p-23F - 1.0F);
    }
  });
  return buffer;
}

struct Series {
  int64_t rows = 0;
  std::vector<double> seconds{}, of_read{}, of_peak{};
};

void bench_shape(const Options& options, int64_t k, int64_t n, int threads) {
  ThreadPool pool(threads);
  const OpContext context{Device::cpu(), nullptr, &pool, options.isa};
  const Buffer source = random_matrix(options.dtype, n, k), input = random_matrix(options.dtype, 512, k);
  const ConstTensorView w = source.view(options.dtype, {n, k});
  const int64_t copies = kColdBytes / source.bytes() + 1;
  std::vector<LinearWeight> weights;
  const double pack_start = now();
  for (int64_t i = 0; i < copies; ++i) weights.push_back(pack_linear_weight(context, std::span(&w, 1), {}, {0, k}));
  const double pack_seconds = now() - pack_start;
  Buffer output(512 * n * 4), cold(kColdBytes);
  std::fill_n(static_cast<char*>(cold.data()), kColdBytes, char{1});

  const double bytes = static_cast<double>(weights[0].packed.bytes());
  std::vector<Series> all{{1}, {8}, {16}, {32}, {512}};
  std::vector<double> reads, peaks;
  size_t next = 0;
  for (int round = 0; round < options.rounds; ++round) {
    for (Series& series : all) {
      const double read = read_bandwidth(pool, cold), peak = dot_product_peak(pool);
      reads.push_back(read);
      peaks.push_back(peak);
      const ConstTensorView x = input.view(options.dtype, {series.rows, k});
      const TensorView out = output.view(DType::kF32, {series.rows, n});
      int64_t count = 0;
      const double start = now();
      do {
        linear(context, x, weights[next++ % weights.size()], out);
        ++count;
      } while (now() - start < kSecondsPerPoint);
      const double seconds = (now() - start) / static_cast<double>(count);
      const double flops = 2.0 * static_cast<double>(series.rows * n * k);
      series.seconds.push_back(seconds);
      series.of_read.push_back(bytes / seconds / read);
      series.of_peak.push_back(flops / seconds / peak);
    }
  }
  std::printf("K=%ld N=%ld %s %s, %d threads: read %.1f GB/s, dot-product peak %.0f GFLOP/s, packing %.2f GB/s\n", k, n,
              std::string(name_of(options.dtype)).c_str(), std::string(name_of(options.isa)).c_str(), threads,
              median(reads) / 1e9, median(peaks) / 1e9, bytes * static_cast<double>(copies) / pack_seconds / 1e9);
  for (const Series& series : all) {
    const double seconds = median(series.seconds);
    std::printf("  M=%-4ld %9.1f us  %6.1f GB/s (%3.0f %% of read)  %7.1f GFLOP/s (%3.0f %% of peak)\n", series.rows,
                seconds * 1e6, bytes / seconds / 1e9, 100 * median(series.of_read),
                2e-9 * static_cast<double>(series.rows * n * k) / seconds, 100 * median(series.of_peak));
  }
  std::fflush(stdout);
}

}  // namespace
}  // namespace lockstep::bench

int main(int argc, char** argv) {
  using namespace lockstep;
  bench::Options options;
  options.isa = detect_cpu_isa();
  if (argc > 1) options.dtype = parse_dtype(argv[1]);
  if (argc > 2) options.isa = parse_cpu_isa(argv[2]);
  if (argc > 3) options.rounds = std::stoi(argv[3]);
  constexpr int64_t kShapes[][2] = {{2048, 5632}, {2048, 2048}, {768, 2048}};
  for (const auto& [k, n] : kShapes) {
    for (const int threads : {1, 2}) bench::bench_shape(options, k, n, threads);
  }
  return 0;
}
