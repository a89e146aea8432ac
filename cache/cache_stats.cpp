#include "cache/cache_stats.h"

#include "core/error.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <type_traits>

namespace lockstep {

static_assert(std::is_trivially_copyable_v<CacheStats>, "its bytes are sent between ranks");

void FixedText::assign(std::string_view text) {
  size_t length = std::min(text.size(), bytes.size() - 1);
  // Not within a character: its later bytes are 10xxxxxx.
  while (length < text.size() && length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) --length;
  bytes = {};
  std::copy_n(text.begin(), length, bytes.begin());
}

std::string_view name_of(Tier tier) {
  switch (tier) {
    case Tier::kDevice: return "device";
    case Tier::kHost: return "host";
    case Tier::kDisk: return "disk";
  }
  LS_THROW(Error, "tier {} has no name", static_cast<int>(tier));
}

std::string_view name_of(TierState state) {
  switch (state) {
    case TierState::kAbsent: return "absent";
    case TierState::kOn: return "on";
    case TierState::kBypassed: return "bypassed";
    case TierState::kSwitchedOff: return "switched_off";
  }
  LS_THROW(Error, "tier state {} has no name", static_cast<int>(state));
}

std::string_view name_of(TransferChannel channel) {
  switch (channel) {
    case TransferChannel::kToHost: return "to_host";
    case TransferChannel::kToDevice: return "to_device";
    case TransferChannel::kToDisk: return "to_disk";
    case TransferChannel::kFromDisk: return "from_disk";
  }
  LS_THROW(Error, "transfer channel {} has no name", static_cast<int>(channel));
}

void ReuseDistances::add(int64_t distance, int64_t weight) {
  LS_CHECK(distance >= 1 && weight >= 0, "a reuse at distance {} with weight {}", distance, weight);
  const auto bucket = static_cast<size_t>(std::bit_width(static_cast<uint64_t>(distance - 1)));
  buckets[std::min(bucket, kNumBuckets - 1)] += weight;
  sum += distance * weight;
}

int64_t ReuseDistances::num_reuses() const { return std::accumulate(buckets.begin(), buckets.end(), int64_t{0}); }

void MissRatioCurve::add(int64_t capacity_pages, double hit_ratio) {
  const auto end = static_cast<size_t>(num_points);
  LS_CHECK(end < kMaxPoints, "a miss-ratio curve has at most {} points", kMaxPoints);
  LS_CHECK(capacity_pages > (end == 0 ? 0 : points[end - 1].capacity_pages),
           "a miss-ratio curve goes on at {} pages, which is not more than before", capacity_pages);
  points[end] = {capacity_pages, hit_ratio};
  ++num_points;
}

std::optional<double> MissRatioCurve::hit_ratio_at(int64_t capacity_pages) const {
  if (num_points == 0) return std::nullopt;
  Point before;
  for (size_t i = 0; i < static_cast<size_t>(num_points); ++i) {
    const Point& after = points[i];
    if (capacity_pages <= after.capacity_pages) {
      const double part = static_cast<double>(std::max<int64_t>(capacity_pages, 0) - before.capacity_pages) /
                          static_cast<double>(after.capacity_pages - before.capacity_pages);
      return std::lerp(before.hit_ratio, after.hit_ratio, part);
    }
    before = after;
  }
  return before.hit_ratio;
}

int64_t CacheStats::hit_tokens() const {
  int64_t sum = 0;
  for (const TierStats& tier : tiers) sum += tier.hit_tokens;
  return sum;
}

namespace {

std::optional<double> ratio(int64_t part, int64_t whole) {
  if (whole <= 0) return std::nullopt;
  return static_cast<double>(part) / static_cast<double>(whole);
}

int64_t sum_of_counted(int64_t left, int64_t right) {
  return left == kNotCounted || right == kNotCounted ? kNotCounted : left + right;
}

TierStats operator+(const TierStats& left, const TierStats& right) {
  const bool is_right_worse = right.state > left.state;
  const bool takes_right_reason = is_right_worse || (right.state == left.state && left.reason.view().empty());
  return {.state = is_right_worse ? right.state : left.state,
          .reason = takes_right_reason ? right.reason : left.reason,
          .capacity_pages = left.capacity_pages + right.capacity_pages,
          .used_pages = left.used_pages + right.used_pages,
          .hit_tokens = left.hit_tokens + right.hit_tokens,
          .evicted_pages = left.evicted_pages + right.evicted_pages,
          .invalidated_pages = left.invalidated_pages + right.invalidated_pages};
}

TransferStats operator+(const TransferStats& left, const TransferStats& right) {
  return {.transfers = left.transfers + right.transfers,
          .pages = left.pages + right.pages,
          .bytes = left.bytes + right.bytes,
          .failures = left.failures + right.failures,
          .busy_seconds = left.busy_seconds + right.busy_seconds,
          .stored_bytes = left.stored_bytes + right.stored_bytes};
}

ColdStats operator+(const ColdStats& left, const ColdStats& right) {
  return {.capacity_pages = left.capacity_pages + right.capacity_pages,
          .used_pages = left.used_pages + right.used_pages,
          .transcoded_pages = left.transcoded_pages + right.transcoded_pages,
          .promoted_pages = left.promoted_pages + right.promoted_pages,
          .saved_bytes = left.saved_bytes + right.saved_bytes};
}

ReuseDistances operator+(const ReuseDistances& left, const ReuseDistances& right) {
  ReuseDistances both = left;
  for (size_t i = 0; i < both.buckets.size(); ++i) both.buckets[i] += right.buckets[i];
  both.sum += right.sum;
  both.first_uses += right.first_uses;
  return both;
}

MissRatioCurve operator+(const MissRatioCurve& left, const MissRatioCurve& right) {
  if (left.num_points == 0 || right.num_points == 0) return left.num_points == 0 ? right : left;
  const MissRatioCurve& more = right.num_lookups > left.num_lookups ? right : left;
  const MissRatioCurve& less = &more == &left ? right : left;
  MissRatioCurve mean = more;
  mean.num_lookups = left.num_lookups + right.num_lookups;
  const double weight =
      mean.num_lookups > 0 ? static_cast<double>(less.num_lookups) / static_cast<double>(mean.num_lookups) : 0.5;
  for (size_t i = 0; i < static_cast<size_t>(mean.num_points); ++i) {
    MissRatioCurve::Point& point = mean.points[i];
    point.hit_ratio = std::lerp(point.hit_ratio, *less.hit_ratio_at(point.capacity_pages), weight);
  }
  return mean;
}

}  // namespace

std::optional<double> CacheStats::hit_ratio() const { return ratio(hit_tokens(), lookup_tokens); }

std::optional<double> CacheStats::attained_ratio() const { return ratio(hit_tokens(), attainable_hit_tokens); }

std::optional<double> CacheStats::overlap_ratio() const {
  double busy = 0.0;
  for (const TransferStats& transfer : transfers) busy += transfer.busy_seconds;
  if (busy <= 0.0) return std::nullopt;
  return std::clamp(1.0 - exposed_stall_seconds / busy, 0.0, 1.0);
}

std::optional<double> CacheStats::hit_ratio_if(Tier which, double scale) const {
  if (tier(which).state != TierState::kOn || num_replicas <= 0) return std::nullopt;
  double pages = 0.0;
  for (const TierStats& each : tiers) {
    if (each.state != TierState::kOn) continue;
    pages += static_cast<double>(each.capacity_pages) * (&each == &tier(which) ? scale : 1.0);
  }
  return curve.hit_ratio_at(std::llround(pages / static_cast<double>(num_replicas)));
}

SparseStats operator+(const SparseStats& left, const SparseStats& right) {
  return {left.lists + right.lists,
          left.dense + right.dense,
          left.fallback + right.fallback,
          left.fallback_tokens + right.fallback_tokens,
          left.pages_read + right.pages_read,
          left.pages_there + right.pages_there,
          left.mass + right.mass,
          left.offloaded_pages + right.offloaded_pages,
          left.in_place_page_reads + right.in_place_page_reads,
          left.peak_in_place_pages + right.peak_in_place_pages,
          left.hot_reads + right.hot_reads,
          left.hot_fetches + right.hot_fetches,
          left.hot_misses + right.hot_misses};
}

CacheStats operator+(const CacheStats& left, const CacheStats& right) {
  CacheStats both = left;
  both.num_replicas += right.num_replicas;
  for (size_t i = 0; i < kNumTiers; ++i) both.tiers[i] = left.tiers[i] + right.tiers[i];
  for (size_t i = 0; i < kNumTransferChannels; ++i) {
    both.transfers[i] = left.transfers[i] + right.transfers[i];
    both.costs.ns_per_page[i] = std::max(left.costs.ns_per_page[i], right.costs.ns_per_page[i]);
  }
  both.costs.ns_per_prefill_token = std::max(left.costs.ns_per_prefill_token, right.costs.ns_per_prefill_token);
  both.lookup_tokens += right.lookup_tokens;
  both.attainable_hit_tokens = sum_of_counted(left.attainable_hit_tokens, right.attainable_hit_tokens);
  both.sparse = left.sparse + right.sparse;
  both.cold = left.cold + right.cold;
  both.exposed_stall_seconds += right.exposed_stall_seconds;
  both.demoted_pages += right.demoted_pages;
  both.promoted_pages += right.promoted_pages;
  both.recomputed_pages = sum_of_counted(left.recomputed_pages, right.recomputed_pages);
  both.preemptions += right.preemptions;
  both.reuse_distances = left.reuse_distances + right.reuse_distances;
  both.curve = left.curve + right.curve;
  return both;
}

}  // namespace lockstep
