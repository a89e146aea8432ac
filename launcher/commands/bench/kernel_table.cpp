#include "launcher/commands/bench/kernel_table.h"

#include "core/error.h"
#include "core/log.h"
#include "core/stream.h"
#include "launcher/commands/bench/report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <sstream>
#include <string_view>

namespace lockstep::bench {
namespace {

constexpr std::array<std::string_view, 16> kOperations{
    "embedding", "gather_rows",     "rms_norm",    "add_rms_norm", "rope_and_write_kv", "swiglu",
    "linear",    "argmax",          "seal_pages",  "select_pages", "index_pages",       "hot_pages",
    "transcode", "paged_attention", "sample_rows", "all_reduce"};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  return parts;
}

}  // namespace

std::string operation_names() {
  std::string names;
  for (const std::string_view name : kOperations) names += (names.empty() ? "" : ", ") + std::string(name);
  return names;
}

void require_operations(const std::string& ops) {
  for (const std::string& op : split(ops)) {
    LS_REQUIRE(ConfigError, std::find(kOperations.begin(), kOperations.end(), op) != kOperations.end(),
               "ops = '{}': '{}' is none of {}", ops, op, operation_names());
  }
}

KernelTable::KernelTable(const OpContext& context, const MachineLimits& limits, int64_t repeats, int64_t cold_bytes,
                         const std::string& ops)
    : context_(context), limits_(limits), timer_{.repeats = repeats}, cold_bytes_(cold_bytes), ops_(ops) {}

bool KernelTable::wants(const std::string& op) const {
  const std::vector<std::string> wanted = split(ops_);
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), op) != wanted.end();
}

int64_t KernelTable::rotation(double bytes) const {
  constexpr double kMost = 64.0;  // smaller areas are bound by the launch, wherever they lie
  return static_cast<int64_t>(std::clamp(std::ceil(static_cast<double>(cold_bytes_) / bytes), 1.0, kMost));
}

void KernelTable::measure(const KernelCase& one, const std::function<void(int64_t)>& call) {
  TimerSettings timer = timer_;
  timer.rotation = one.rotation;
  print_row(one, seconds_per_call(context_, timer, call));
}

void KernelTable::measure_on_host(const KernelCase& one, const std::function<void(int64_t)>& call) {
  Stream stream = Stream::inline_cpu();
  OpContext host;
  host.stream = &stream;
  TimerSettings timer = timer_;
  timer.rotation = one.rotation;
  print_row(one, seconds_per_call(host, timer, call));
}

void KernelTable::print_head() const {
  std::printf("%-18s %-48s | %11s %-22s | %8s %9s %8s\n", "operation", "shape", "us", "(spread)", "GB/s", "TFLOP/s",
              "of best");
}

void KernelTable::print_row(const KernelCase& one, const Spread& seconds) {
  const Spread us = seconds.times(1e6);
  const double share = one.cost.seconds_at_least(limits_) / seconds.median;
  const auto known = [&](double value) { return one.has_limit ? nlohmann::json(value) : nlohmann::json(nullptr); };
  std::printf("%-18s %-48s | %11.2f %-22s | %8.1f %9.3f %8s\n", one.op.c_str(), one.shape.c_str(), us.median,
              us.range(2).c_str(), one.cost.bytes / seconds.median / 1e9, one.cost.flops / seconds.median / 1e12,
              one.has_limit ? fmt::format("{:.1f}%", 100.0 * share).c_str() : "-");
  std::fflush(stdout);
  rows_.push_back({{"op", one.op},
                   {"shape", one.shape},
                   {"seconds", to_json(seconds)},
                   {"bytes", one.cost.bytes},
                   {"flops", one.cost.flops},
                   {"bytes_per_second", one.cost.bytes / seconds.median},
                   {"flops_per_second", one.cost.flops / seconds.median},
                   {"share_of_bandwidth", known(one.cost.bytes / limits_.bytes_per_second / seconds.median)},
                   {"share_of_peak", known(one.cost.flops / limits_.flops_per_second / seconds.median)},
                   {"share_of_roofline", known(share)}});
}

void shrink_to_fit(const std::string& what, int64_t size, const std::function<void(int64_t)>& measure) {
  for (;; size /= 2) {
    try {
      return measure(size);
    } catch (const OutOfMemory& error) {
      log_warn("{} {}: {}{}", what, size, error.what(), size > 1 ? "; measured with half of that" : "; left out");
      if (size <= 1) return;
    }
  }
}

}  // namespace lockstep::bench
