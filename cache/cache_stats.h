// What the cache of one replica did and holds: counts, times and estimates as plain data. The replica's leader fills
// it; launcher/metrics/ shows it, in the summary, in the status file and to Prometheus.
//
// Counts grow from the start of the job; pages are those of the page table, so one page is one however many ranks hold
// a part of it. Trivially copyable: the bytes of one may be sent to another rank of the same program. A value that
// nobody counted is said to be so (kNotCounted, no lookups, no points) and is never shown as 0. Not thread-safe.
#pragma once

#include "cache/step_plan.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace lockstep {

/// Stands where a count was not kept.
inline constexpr int64_t kNotCounted = -1;

/// Text of bounded length within plain data; longer text is cut, between characters of UTF-8.
struct FixedText {
  std::array<char, 128> bytes{};  // zero-terminated

  void assign(std::string_view text);
  std::string_view view() const { return bytes.data(); }
  bool operator==(const FixedText&) const = default;
};

/// Whether a tier takes part. The greater is the worse: of replicas that differ the greatest is told.
enum class TierState : uint8_t {
  kAbsent = 0,  // the job has none
  kOn = 1,
  kBypassed = 2,     // computing a page again is faster than fetching it
  kSwitchedOff = 3,  // it failed repeatedly
};
inline constexpr size_t kNumTierStates = 4;

std::string_view name_of(Tier tier);                // device, host, disk
std::string_view name_of(TierState state);          // absent, on, bypassed, switched_off
std::string_view name_of(TransferChannel channel);  // to_host, to_device, to_disk, from_disk

struct TierStats {
  TierState state = TierState::kAbsent;
  FixedText reason;            // of the state, for people; may be empty
  int64_t capacity_pages = 0;  // now
  int64_t used_pages = 0;      // now: read by a sequence, or kept for the next one
  int64_t hit_tokens = 0;      // prompt tokens that were found here, in the fastest tier that had them
  int64_t evicted_pages = 0;
  int64_t invalidated_pages = 0;
  bool operator==(const TierStats&) const = default;
};

/// Copies on one way, as the leader's rank made them.
struct TransferStats {
  int64_t transfers = 0;  // that ended well
  int64_t pages = 0, bytes = 0;
  int64_t failures = 0;
  double busy_seconds = 0.0;  // during which at least one transfer of the channel was under way
  int64_t stored_bytes = 0;   // to and from the disk: what these pages take there, fewer where they are packed
  bool operator==(const TransferStats&) const = default;
};

/// How far apart two uses of a page lie. The distance is the number of different pages that were used since the last
/// use, the page itself included: an LRU cache of that many pages would just have kept it.
struct ReuseDistances {
  static constexpr size_t kNumBuckets = 40;

  std::array<int64_t, kNumBuckets> buckets{};  // [0]: distance 1; [i]: (2^(i-1), 2^i]; the last also all above
  int64_t sum = 0;                             // of all distances
  int64_t first_uses = 0;                      // of pages never used before

  /// `distance` ≥ 1; `weight`: how many uses a sampled one stands for.
  void add(int64_t distance, int64_t weight = 1);
  /// Greatest distance of a bucket.
  static constexpr int64_t bound(size_t bucket) { return int64_t{1} << bucket; }
  int64_t num_reuses() const;
  /// False: nobody counted.
  bool is_counted() const { return first_uses + num_reuses() > 0; }
  bool operator==(const ReuseDistances&) const = default;
};

/// Estimated share of page lookups that a cache of so many pages would have served.
struct MissRatioCurve {
  static constexpr size_t kMaxPoints = 32;
  struct Point {
    int64_t capacity_pages = 0;
    double hit_ratio = 0.0;
    bool operator==(const Point&) const = default;
  };

  std::array<Point, kMaxPoints> points{};  // the first num_points, by capacity, which grows strictly
  int64_t num_points = 0;                  // 0: not estimated
  int64_t num_lookups = 0;                 // that the estimate rests on: its weight in a sum

  /// Appends a point. Throws Error if there are kMaxPoints, or the capacity does not grow.
  void add(int64_t capacity_pages, double hit_ratio);
  /// Between points on a straight line, which begins at (0, 0); behind the last point its value. Nothing without
  /// points.
  std::optional<double> hit_ratio_at(int64_t capacity_pages) const;
  bool operator==(const MissRatioCurve&) const = default;
};

/// Constants of the cost model, measured at start and then fixed. 0: not measured.
struct CacheCosts {
  std::array<int64_t, kNumTransferChannels> ns_per_page{};
  int64_t ns_per_prefill_token = 0;
  bool operator==(const CacheCosts&) const = default;
};

/// Choices of sparse attention, one for a token, layer and KV head of rank 0.
struct SparseStats {
  int64_t lists = 0;     // in which pages were left out
  int64_t dense = 0;     // in which none were: short sequences, dense layers
  int64_t fallback = 0;  // of those, the ones behind the dense layers: the token had too few positions or pages
  int64_t fallback_tokens = 0;
  int64_t pages_read = 0;  // of lists and dense ones
  int64_t pages_there = 0;
  double mass = 0.0;                // sum over lists of the estimated share of attention that the pages read have
  int64_t offloaded_pages = 0;      // left the device while sequences read them
  int64_t in_place_page_reads = 0;  // pages of rows that lay on the host, in each step
  int64_t peak_in_place_pages = 0;  // most such pages at a time; of several replicas the sum of theirs
  // GPUs, by list as pages_read: pages on the host of which the device had a copy, those that it fetched, and those
  // that found no room on it and were read on the host.
  int64_t hot_reads = 0, hot_fetches = 0, hot_misses = 0;

  bool is_used() const { return lists + dense > 0; }
  bool operator==(const SparseStats&) const = default;
};
SparseStats operator+(const SparseStats& left, const SparseStats& right);

/// Pages of the host in the cold format.
struct ColdStats {
  int64_t capacity_pages = 0;    // now; 0: the job has none
  int64_t used_pages = 0;        // now
  int64_t transcoded_pages = 0;  // that got the format
  int64_t promoted_pages = 0;    // that came back to the device from it
  int64_t saved_bytes = 0;       // now, of a rank: what used_pages would take more in the canonical format

  bool is_used() const { return capacity_pages > 0; }
  bool operator==(const ColdStats&) const = default;
};

struct CacheStats {
  int64_t num_replicas = 1;
  std::array<TierStats, kNumTiers> tiers;                     // by Tier
  std::array<TransferStats, kNumTransferChannels> transfers;  // by TransferChannel
  int64_t lookup_tokens = 0;                                  // prompt tokens that were looked up
  int64_t attainable_hit_tokens = kNotCounted;  // of those, in pages computed before in this run or stored at its start
  SparseStats sparse;
  ColdStats cold;
  double exposed_stall_seconds = 0.0;  // that steps waited for transfers
  int64_t demoted_pages = 0, promoted_pages = 0;
  int64_t recomputed_pages = kNotCounted;  // computed again after they had been evicted
  int64_t preemptions = 0;
  ReuseDistances reuse_distances;
  MissRatioCurve curve;  // of one replica's lookups
  CacheCosts costs;

  TierStats& tier(Tier which) { return tiers[static_cast<size_t>(which)]; }
  const TierStats& tier(Tier which) const { return tiers[static_cast<size_t>(which)]; }
  TransferStats& transfer(TransferChannel which) { return transfers[static_cast<size_t>(which)]; }
  const TransferStats& transfer(TransferChannel which) const { return transfers[static_cast<size_t>(which)]; }

  /// Of all tiers.
  int64_t hit_tokens() const;
  /// Hit tokens by lookup tokens, and by attainable ones; nothing where the divisor is unknown or 0.
  std::optional<double> hit_ratio() const;
  std::optional<double> attained_ratio() const;
  /// Share of the time of transfers that no step waited for, in [0, 1]; nothing before the first transfer.
  std::optional<double> overlap_ratio() const;
  /// The curve's estimate if `which`, which must be on, were `scale` times as large and all other tiers as they are. A
  /// page counts in one tier only: copies of a page in two tiers at once are capacity that the estimate believes in.
  /// Nothing without a curve or for a tier that is not on.
  std::optional<double> hit_ratio_if(Tier which, double scale) const;

  bool operator==(const CacheStats&) const = default;
};

/// Both replicas' figures in one. Counts, times and capacities add up; a count that one of them did not keep is not
/// kept; costs are the greater ones; states as TierState; curves are the mean, weighted by lookups, at the capacities
/// of the one with more lookups.
CacheStats operator+(const CacheStats& left, const CacheStats& right);

}  // namespace lockstep
