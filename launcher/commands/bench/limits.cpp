#include "launcher/commands/bench/limits.h"

#include "core/copy.h"
#include "core/error.h"
#include "kernels/linear.h"
#include "launcher/commands/bench/device_data.h"
#include "launcher/commands/bench/timer.h"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace lockstep::bench {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

std::atomic<uint64_t> sink;  // or the reads would be left out

// Two areas of that size, or half as large until they fit.
std::pair<Buffer, Buffer> two_areas(Device device, int64_t bytes) {
  for (;; bytes /= 2) {
    try {
      return {Buffer(bytes, device), Buffer(bytes, device)};
    } catch (const OutOfMemory&) {
      if (bytes <= kMiB) throw;
    }
  }
}

double copy_bandwidth(const OpContext& context, int64_t& bytes, const TimerSettings& timer) {
  auto [to, from] = two_areas(context.device, bytes);
  bytes = to.bytes();
  from.fill_zero();
  const Spread seconds = seconds_per_call(
      context, timer, [&](int64_t) { copy_async(*context.stream, to.data(), from.data(), to.bytes()); });
  return 2.0 * static_cast<double>(bytes) / seconds.median;
}

void read_words(const char* data, int64_t bytes) {
  constexpr int kLanes = 16;  // independent sums, which the compiler keeps in vector registers
  uint64_t sums[kLanes] = {};
  for (int64_t i = 0; i + int64_t{sizeof sums} <= bytes; i += int64_t{sizeof sums}) {
    uint64_t words[kLanes];
    std::memcpy(words, data + i, sizeof words);
    for (int j = 0; j < kLanes; ++j) sums[j] ^= words[j];
  }
  uint64_t all = 0;
  for (const uint64_t sum : sums) all ^= sum;
  sink.fetch_xor(all, std::memory_order_relaxed);
}

double read_bandwidth(const OpContext& context, int64_t& bytes, const TimerSettings& timer) {
  auto [area, unused] = two_areas(context.device, bytes);
  bytes = area.bytes();
  unused = Buffer();
  area.fill_zero();
  const auto* const data = static_cast<const char*>(area.data());
  const Spread seconds = seconds_per_call(context, timer, [&](int64_t) {
    context.threads->parallel_for(bytes, int64_t{1} << 16,
                                  [&](int64_t begin, int64_t end) { read_words(data + begin, end - begin); });
  });
  return static_cast<double>(bytes) / seconds.median;
}

double product_peak(const OpContext& context, DType dtype, int64_t size, const TimerSettings& timer) {
  const HostTensor host = random_on_host(dtype, {size, size}, 0.02F);
  const ConstTensorView parts[] = {host.view};
  const LinearWeight weight = pack_linear_weight(context, parts, {}, {0, size});
  const DeviceTensor x = random_tensor(context, dtype, {size, size}), out(context, DType::kF32, {size, size});
  const Spread seconds = seconds_per_call(context, timer, [&](int64_t) { linear(context, x.view, weight, out.view); });
  const auto edge = static_cast<double>(size);
  return 2.0 * edge * edge * edge / seconds.median;
}

}  // namespace

MachineLimits measure_limits(const OpContext& context, DType dtype, const CommonSettings& settings) {
  const bool is_cuda = context.device.kind == DeviceKind::kCuda;
  const TimerSettings timer{.repeats = settings.repeats};
  int64_t bytes = settings.ceiling_mib * kMiB;
  const int64_t size = settings.ceiling_product > 0 ? settings.ceiling_product : is_cuda ? 8192 : 1024;
  MachineLimits limits;
  limits.bytes_per_second = is_cuda ? copy_bandwidth(context, bytes, timer) : read_bandwidth(context, bytes, timer);
  limits.flops_per_second = product_peak(context, dtype, size, timer);
  limits.text = fmt::format("{:.1f} GB/s ({} of {} MiB), {:.3f} TFLOP/s ({} product of {} x {} x {})",
                            limits.bytes_per_second / 1e9, is_cuda ? "device copies, read and written" : "reads",
                            bytes / kMiB, limits.flops_per_second / 1e12, name_of(dtype), size, size, size);
  return limits;
}

nlohmann::json MachineLimits::to_json() const {
  return {{"bytes_per_second", bytes_per_second}, {"flops_per_second", flops_per_second}, {"text", text}};
}

}  // namespace lockstep::bench
