#include "launcher/metrics/cache_report.h"

#include <cstddef>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <optional>

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

Json or_null(std::optional<double> value) { return value ? Json(*value) : Json(nullptr); }
Json counted_or_null(int64_t count) { return count == kNotCounted ? Json(nullptr) : Json(count); }
Json measured_or_null(int64_t nanoseconds) { return nanoseconds == 0 ? Json(nullptr) : Json(nanoseconds); }

Json tier_json(const CacheStats& stats, Tier which) {
  const TierStats& tier = stats.tier(which);
  return {{"state", name_of(tier.state)},
          {"reason", tier.reason.view()},
          {"capacity_pages", tier.capacity_pages},
          {"used_pages", tier.used_pages},
          {"hit_tokens", tier.hit_tokens},
          {"evicted_pages", tier.evicted_pages},
          {"invalidated_pages", tier.invalidated_pages},
          {"hit_ratio_if_half", or_null(stats.hit_ratio_if(which, 0.5))},
          {"hit_ratio_if_double", or_null(stats.hit_ratio_if(which, 2.0))}};
}

bool is_of_disk(TransferChannel channel) {
  return channel == TransferChannel::kToDisk || channel == TransferChannel::kFromDisk;
}

Json transfer_json(const CacheStats& stats, TransferChannel channel) {
  const TransferStats& transfer = stats.transfer(channel);
  Json json{{"transfers", transfer.transfers},
            {"pages", transfer.pages},
            {"bytes", transfer.bytes},
            {"busy_seconds", transfer.busy_seconds},
            {"failures", transfer.failures}};
  if (is_of_disk(channel)) json["stored_bytes"] = transfer.stored_bytes;
  return json;
}

// Buckets behind the last one with a reuse are left out.
Json reuse_json(const ReuseDistances& distances) {
  if (!distances.is_counted()) return nullptr;
  size_t end = distances.buckets.size();
  while (end > 0 && distances.buckets[end - 1] == 0) --end;
  Json buckets = Json::array();
  for (size_t i = 0; i < end; ++i) {
    const bool is_open = i + 1 == ReuseDistances::kNumBuckets;
    buckets.push_back(
        {{"up_to_pages", is_open ? Json(nullptr) : Json(ReuseDistances::bound(i))}, {"reuses", distances.buckets[i]}});
  }
  return {{"first_uses", distances.first_uses}, {"sum_pages", distances.sum}, {"buckets", std::move(buckets)}};
}

Json curve_json(const MissRatioCurve& curve) {
  if (curve.num_points == 0) return nullptr;
  Json points = Json::array();
  for (size_t i = 0; i < static_cast<size_t>(curve.num_points); ++i)
    points.push_back({{"capacity_pages", curve.points[i].capacity_pages}, {"hit_ratio", curve.points[i].hit_ratio}});
  return {{"lookups", curve.num_lookups}, {"points", std::move(points)}};
}

Json sparse_json(const SparseStats& sparse) {
  if (!sparse.is_used()) return nullptr;
  const auto share = [](double part, int64_t all) {
    return all == 0 ? Json(nullptr) : Json(part / static_cast<double>(all));
  };
  return {{"lists", sparse.lists},
          {"dense_lists", sparse.dense},
          {"fallback_lists", sparse.fallback},
          {"fallback_tokens", sparse.fallback_tokens},
          {"pages_read", sparse.pages_read},
          {"pages_there", sparse.pages_there},
          {"read_ratio", share(static_cast<double>(sparse.pages_read), sparse.pages_there)},
          {"estimated_mass", share(sparse.mass, sparse.lists)},
          {"offloaded_pages", sparse.offloaded_pages},
          {"in_place_page_reads", sparse.in_place_page_reads},
          {"peak_in_place_pages", sparse.peak_in_place_pages},
          {"hot_reads", sparse.hot_reads},
          {"hot_fetches", sparse.hot_fetches},
          {"hot_misses", sparse.hot_misses}};
}

Json cold_json(const ColdStats& cold) {
  if (!cold.is_used()) return nullptr;
  return {{"capacity_pages", cold.capacity_pages},
          {"used_pages", cold.used_pages},
          {"transcoded_pages", cold.transcoded_pages},
          {"promoted_pages", cold.promoted_pages},
          {"saved_bytes", cold.saved_bytes}};
}

std::string percent_of(std::optional<double> ratio) {
  return ratio ? fmt::format("{:.1f} %", 100.0 * *ratio) : "not counted";
}

std::string tier_line(const CacheStats& stats, Tier which) {
  const TierStats& tier = stats.tier(which);
  std::string line = fmt::format("{} {}", name_of(which), name_of(tier.state));
  if (!tier.reason.view().empty()) line += fmt::format(" ({})", tier.reason.view());
  line += fmt::format(": {} of {} pages used, {} tokens hit, {} pages evicted", tier.used_pages, tier.capacity_pages,
                      tier.hit_tokens, tier.evicted_pages);
  if (tier.invalidated_pages > 0) line += fmt::format(", {} invalidated", tier.invalidated_pages);
  const auto half = stats.hit_ratio_if(which, 0.5), twice = stats.hit_ratio_if(which, 2.0);
  if (half && twice) line += fmt::format("; hit ratio if half {}, if double {}", percent_of(half), percent_of(twice));
  return line;
}

}  // namespace

Json cache_json(const CacheStats& stats) {
  Json tiers, transfers, ns_per_page;
  for (size_t i = 0; i < kNumTiers; ++i) {
    const auto which = static_cast<Tier>(i);
    tiers[std::string(name_of(which))] = tier_json(stats, which);
  }
  for (size_t i = 0; i < kNumTransferChannels; ++i) {
    const auto channel = static_cast<TransferChannel>(i);
    const std::string name(name_of(channel));
    transfers[name] = transfer_json(stats, channel);
    ns_per_page[name] = measured_or_null(stats.costs.ns_per_page[i]);
  }
  return {{"replicas", stats.num_replicas},
          {"lookup_tokens", stats.lookup_tokens},
          {"hit_tokens", stats.hit_tokens()},
          {"attainable_hit_tokens", counted_or_null(stats.attainable_hit_tokens)},
          {"hit_ratio", or_null(stats.hit_ratio())},
          {"attained_ratio", or_null(stats.attained_ratio())},
          {"tiers", std::move(tiers)},
          {"demoted_pages", stats.demoted_pages},
          {"promoted_pages", stats.promoted_pages},
          {"recomputed_pages", counted_or_null(stats.recomputed_pages)},
          {"preemptions", stats.preemptions},
          {"transfers", std::move(transfers)},
          {"sparse", sparse_json(stats.sparse)},
          {"cold", cold_json(stats.cold)},
          {"exposed_stall_seconds", stats.exposed_stall_seconds},
          {"overlap_ratio", or_null(stats.overlap_ratio())},
          {"reuse_distances", reuse_json(stats.reuse_distances)},
          {"miss_ratio_curve", curve_json(stats.curve)},
          {"costs",
           {{"ns_per_page", std::move(ns_per_page)},
            {"ns_per_prefill_token", measured_or_null(stats.costs.ns_per_prefill_token)}}}};
}

std::string cache_text(const CacheStats& stats) {
  std::string text = fmt::format("cache      {} of {} prompt tokens hit", stats.hit_tokens(), stats.lookup_tokens);
  if (const auto hit = stats.hit_ratio()) text += fmt::format(" ({})", percent_of(hit));
  if (const auto attained = stats.attained_ratio()) text += fmt::format(", {} of the attainable", percent_of(attained));
  if (stats.preemptions > 0) text += fmt::format(", {} preemptions", stats.preemptions);
  if (stats.recomputed_pages > 0) text += fmt::format(", {} evicted pages computed again", stats.recomputed_pages);
  text += "\n";
  for (size_t i = 0; i < kNumTiers; ++i) {
    if (stats.tiers[i].state != TierState::kAbsent)
      text += fmt::format("           {}\n", tier_line(stats, static_cast<Tier>(i)));
  }
  for (size_t i = 0; i < kNumTransferChannels; ++i) {
    const TransferStats& transfer = stats.transfers[i];
    if (transfer.transfers + transfer.failures == 0) continue;
    constexpr double kMiB = 1024.0 * 1024.0;
    const auto channel = static_cast<TransferChannel>(i);
    text +=
        fmt::format("           {}: {} pages, {:.1f} MiB in {:.2f} s, {} failures", name_of(channel), transfer.pages,
                    static_cast<double>(transfer.bytes) / kMiB, transfer.busy_seconds, transfer.failures);
    if (is_of_disk(channel))
      text += fmt::format(", {:.1f} MiB on the disk", static_cast<double>(transfer.stored_bytes) / kMiB);
    text += "\n";
  }
  if (const ColdStats& cold = stats.cold; cold.is_used()) {
    text +=
        fmt::format("           cold pages: {} of {} used, {} transcoded, {} read again; {:.1f} MiB a rank saved now\n",
                    cold.used_pages, cold.capacity_pages, cold.transcoded_pages, cold.promoted_pages,
                    static_cast<double>(cold.saved_bytes) / (1024.0 * 1024.0));
  }
  if (const SparseStats& sparse = stats.sparse; sparse.is_used()) {
    text += fmt::format(
        "           sparse attention: {} of {} pages read; {} choices, with an estimated {} of the "
        "attention, and {} of all pages\n",
        sparse.pages_read, sparse.pages_there, sparse.lists,
        percent_of(sparse.lists > 0 ? std::optional(sparse.mass / static_cast<double>(sparse.lists)) : std::nullopt),
        sparse.dense);
    if (sparse.fallback_tokens > 0)
      text += fmt::format("           {} tokens too short for sparse attention, which read everything\n",
                          sparse.fallback_tokens);
    if (sparse.offloaded_pages > 0)
      text += fmt::format("           {} pages left to the host while they were read, at most {} at a time\n",
                          sparse.offloaded_pages, sparse.peak_in_place_pages);
  }
  if (const auto overlap = stats.overlap_ratio())
    text += fmt::format("           {} of the transfers' time overlapped with steps, {:.2f} s exposed\n",
                        percent_of(overlap), stats.exposed_stall_seconds);
  return text;
}

}  // namespace lockstep
