#include "launcher/commands/bench/cache_report.h"

#include "cache/cache_stats.h"
#include "launcher/commands/bench/report.h"

#include <cstdio>

namespace lockstep::bench {
namespace {

constexpr std::array<const char*, kNumStallCauses> kCauses{"slot_in_use", "promotion", "queue_full", "confirm"};

CacheUsage sum_of(const std::vector<CacheUsage>& all) {
  CacheUsage sum;
  for (const CacheUsage& one : all) sum += one;
  return sum;
}

Spread spread_of_seconds(const std::vector<CacheUsage>& all) {
  std::vector<double> seconds;
  for (const CacheUsage& one : all) seconds.push_back(one.seconds);
  return spread_of(std::move(seconds));
}

double share(double part, double whole) { return whole > 0.0 ? part / whole : 0.0; }

double rate(const ChannelStats& channel) { return share(static_cast<double>(channel.bytes), channel.busy_seconds); }

// Computed over that place: medians, and the least and the greatest that the spreads allow.
Spread speedup(const PlaceFigures& place, const PlaceFigures& computed) {
  const Spread a = computed.seconds(), b = place.seconds();
  return {a.median / b.median, a.low / b.high, a.high / b.low};
}

nlohmann::json stalls_json(const CacheUsage& usage) {
  nlohmann::json stalls;
  for (size_t i = 0; i < kNumStallCauses; ++i) stalls[kCauses[i]] = usage.stalls[i];
  return stalls;
}

nlohmann::json channels_json(const CacheUsage& usage) {
  nlohmann::json channels;
  for (size_t i = 0; i < kNumTransferChannels; ++i) {
    const ChannelStats& one = usage.channels[i];
    channels[std::string(name_of(static_cast<TransferChannel>(i)))] = {{"transfers", one.transfers},
                                                                       {"bytes", one.bytes},
                                                                       {"busy_seconds", one.busy_seconds},
                                                                       {"bytes_per_second", rate(one)}};
  }
  return channels;
}

// Seconds that the promotions of a step need at the rate of the whole measurement.
double transfer_seconds(const MixedFigures& mixed) {
  const CacheUsage promoting = sum_of(mixed.steps.with_promotions);
  CacheUsage all = promoting;
  all += sum_of(mixed.steps.others);
  const double bytes = share(static_cast<double>(promoting.promoted_pages) * mixed.bytes_per_page,
                             static_cast<double>(mixed.steps.with_promotions.size()));
  return share(bytes, rate(all.channels[static_cast<size_t>(TransferChannel::kToDevice)]));
}

}  // namespace

Spread PlaceFigures::seconds() const { return spread_of_seconds(requests); }

CacheUsage PlaceFigures::sum() const { return sum_of(requests); }

void print_places(const std::vector<PlaceFigures>& places) {
  std::printf("%-10s | %12s %-22s | %8s %-18s | %8s %10s %10s | %9s\n", "prefix", "ms to first", "(spread)", "faster",
              "(spread)", "exposed", "slot", "promotion", "disk wait");
  for (const PlaceFigures& place : places) {
    const Spread ms = place.seconds().times(1e3), faster = speedup(place, places.front());
    const CacheUsage sum = place.sum();
    const auto percent = [&](double seconds) { return 100.0 * share(seconds, sum.seconds); };
    std::printf("%-10s | %12.2f %-22s | %7.1fx %-18s | %7.1f%% %9.1f%% %9.1f%% | %8.1f%%\n", place.place.c_str(),
                ms.median, ms.range(2).c_str(), faster.median, faster.range(1).c_str(), percent(sum.exposed),
                percent(sum.stalls[static_cast<size_t>(StallCause::kSlotInUse)]),
                percent(sum.stalls[static_cast<size_t>(StallCause::kPromotion)]), percent(sum.disk_wait));
  }
  std::fflush(stdout);
}

nlohmann::json to_json(const PlaceFigures& place, const PlaceFigures& computed) {
  const CacheUsage sum = place.sum();
  nlohmann::json hits;
  for (const Tier tier : {Tier::kDevice, Tier::kHost, Tier::kDisk})
    hits[std::string(name_of(tier))] = sum.hit_tokens[static_cast<size_t>(tier)];
  return {{"prefix", place.place},
          {"requests", place.requests.size()},
          {"seconds", to_json(place.seconds())},
          {"speedup", to_json(speedup(place, computed))},
          {"hit_tokens", hits},
          {"promoted_pages", sum.promoted_pages},
          {"fetched_pages", sum.fetched_pages},
          {"exposed_share", share(sum.exposed, sum.seconds)},
          {"stall_seconds", stalls_json(sum)},
          {"disk_wait_seconds", sum.disk_wait},
          {"channels", channels_json(sum)}};
}

void print_channels(const std::string& place, const CacheUsage& usage) {
  for (size_t i = 0; i < kNumTransferChannels; ++i) {
    const ChannelStats& one = usage.channels[i];
    if (one.transfers == 0) continue;
    std::printf("%-10s %-12s %7ld pages %9.1f MB %8.2f GB/s\n", place.c_str(),
                std::string(name_of(static_cast<TransferChannel>(i))).c_str(), one.transfers,
                static_cast<double>(one.bytes) / 1e6, rate(one) / 1e9);
  }
}

void print_mixed(const std::vector<MixedFigures>& mixed) {
  std::printf("%-19s | %6s %10s | %9s %10s %12s | %9s %9s %10s\n", "while others decode", "steps", "ms a step",
              "promoting", "ms a step", "ms to copy", "exposed", "of those", "of all");
  for (const MixedFigures& one : mixed) {
    const CacheUsage promoting = sum_of(one.steps.with_promotions), others = sum_of(one.steps.others);
    std::printf("%-19s | %6zu %10.2f | %9zu %10.2f %12.2f | %7.1fms %8.1f%% %9.1f%%\n", one.place.c_str(),
                one.steps.others.size(), 1e3 * spread_of_seconds(one.steps.others).median,
                one.steps.with_promotions.size(), 1e3 * spread_of_seconds(one.steps.with_promotions).median,
                1e3 * transfer_seconds(one), 1e3 * (promoting.exposed + others.exposed),
                100.0 * share(promoting.exposed, promoting.seconds),
                100.0 * share(promoting.exposed + others.exposed, promoting.seconds + others.seconds));
  }
  std::fflush(stdout);
}

nlohmann::json to_json(const MixedFigures& mixed) {
  const CacheUsage promoting = sum_of(mixed.steps.with_promotions), others = sum_of(mixed.steps.others);
  CacheUsage all = promoting;
  all += others;
  return {{"prefix", mixed.place},
          {"promoting_steps", mixed.steps.with_promotions.size()},
          {"other_steps", mixed.steps.others.size()},
          {"promoting_step_seconds", to_json(spread_of_seconds(mixed.steps.with_promotions))},
          {"other_step_seconds", to_json(spread_of_seconds(mixed.steps.others))},
          {"promoted_pages", promoting.promoted_pages},
          {"transfer_seconds_a_step", transfer_seconds(mixed)},
          {"exposed_share_of_promoting_steps", share(promoting.exposed, promoting.seconds)},
          {"exposed_share_of_all_steps", share(all.exposed, all.seconds)},
          {"stall_seconds", stalls_json(all)},
          {"channels", channels_json(all)}};
}

}  // namespace lockstep::bench
