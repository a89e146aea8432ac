#include "launcher/metrics/cache_report.h"

#include "tests/launcher/metrics/example_stats.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

using testing_support::example_stats;
using Json = nlohmann::ordered_json;

TEST(CacheReport, JsonHasEveryFieldInItsPlace) {
  EXPECT_EQ(cache_json(example_stats()), Json::parse(R"({
    "replicas": 1, "lookup_tokens": 8000, "hit_tokens": 6000, "attainable_hit_tokens": 7500, "hit_ratio": 0.75,
    "attained_ratio": 0.8,
    "tiers": {
      "device": {"state": "on", "reason": "", "capacity_pages": 100, "used_pages": 10, "hit_tokens": 1000,
                 "evicted_pages": 7, "invalidated_pages": 3, "hit_ratio_if_half": 0.5,
                 "hit_ratio_if_double": 0.6428571428571428},
      "host": {"state": "on", "reason": "", "capacity_pages": 200, "used_pages": 20, "hit_tokens": 2000,
               "evicted_pages": 14, "invalidated_pages": 6, "hit_ratio_if_half": 0.4,
               "hit_ratio_if_double": 0.6857142857142857},
      "disk": {"state": "bypassed", "reason": "slower than \"computing\"", "capacity_pages": 300, "used_pages": 30,
               "hit_tokens": 3000, "evicted_pages": 21, "invalidated_pages": 9, "hit_ratio_if_half": null,
               "hit_ratio_if_double": null}},
    "demoted_pages": 21, "promoted_pages": 22, "recomputed_pages": 23, "preemptions": 24,
    "transfers": {
      "to_host": {"transfers": 11, "pages": 13, "bytes": 4096, "busy_seconds": 0.5, "failures": 1},
      "to_device": {"transfers": 22, "pages": 26, "bytes": 8192, "busy_seconds": 1.0, "failures": 2},
      "to_disk": {"transfers": 33, "pages": 39, "bytes": 12288, "busy_seconds": 1.5, "failures": 3,
                  "stored_bytes": 3072},
      "from_disk": {"transfers": 44, "pages": 52, "bytes": 16384, "busy_seconds": 2.0, "failures": 4,
                    "stored_bytes": 4096}},
    "sparse": {"lists": 6, "dense_lists": 2, "fallback_lists": 1, "fallback_tokens": 4, "pages_read": 10, "pages_there": 40, "read_ratio": 0.25,
               "estimated_mass": 0.5, "offloaded_pages": 7, "in_place_page_reads": 70, "peak_in_place_pages": 5,
               "hot_reads": 41, "hot_fetches": 9, "hot_misses": 3},
    "cold": {"capacity_pages": 8, "used_pages": 5, "transcoded_pages": 9, "promoted_pages": 4, "saved_bytes": 1048576},
    "exposed_stall_seconds": 1.0, "overlap_ratio": 0.8,
    "reuse_distances": {"first_uses": 5, "sum_pages": 315, "buckets": [
      {"up_to_pages": 1, "reuses": 1}, {"up_to_pages": 2, "reuses": 1}, {"up_to_pages": 4, "reuses": 2},
      {"up_to_pages": 8, "reuses": 1}, {"up_to_pages": 16, "reuses": 0}, {"up_to_pages": 32, "reuses": 0},
      {"up_to_pages": 64, "reuses": 0}, {"up_to_pages": 128, "reuses": 0}, {"up_to_pages": 256, "reuses": 0},
      {"up_to_pages": 512, "reuses": 1}]},
    "miss_ratio_curve": {"lookups": 400, "points": [
      {"capacity_pages": 100, "hit_ratio": 0.2}, {"capacity_pages": 300, "hit_ratio": 0.6},
      {"capacity_pages": 1000, "hit_ratio": 0.9}]},
    "costs": {"ns_per_page": {"to_host": 1000, "to_device": 2000, "to_disk": 3000, "from_disk": 4000},
              "ns_per_prefill_token": 2500}})"));
}

TEST(CacheReport, UnknownIsNull) {
  const Json json = cache_json({});
  for (const char* name : {"attainable_hit_tokens", "hit_ratio", "attained_ratio", "recomputed_pages", "overlap_ratio",
                           "reuse_distances", "miss_ratio_curve"})
    EXPECT_TRUE(json.at(name).is_null()) << name;
  EXPECT_TRUE(json["costs"]["ns_per_prefill_token"].is_null());
  EXPECT_TRUE(json["costs"]["ns_per_page"]["to_disk"].is_null());
  EXPECT_EQ(json["tiers"]["host"]["state"], "absent");
}

TEST(CacheReport, TheLastBucketIsOpen) {
  CacheStats stats;
  stats.reuse_distances.add(int64_t{1} << 50);
  const Json buckets = cache_json(stats)["reuse_distances"]["buckets"];
  ASSERT_EQ(buckets.size(), ReuseDistances::kNumBuckets);
  EXPECT_TRUE(buckets.back()["up_to_pages"].is_null());
}

TEST(CacheReport, TextTellsTiersAndTransfers) {
  const std::string text = cache_text(example_stats());
  for (const char* part : {"cache      6000 of 8000 prompt tokens hit (75.0 %), 80.0 % of the attainable, 24 "
                           "preemptions, 23 evicted pages",
                           "\n           device on: 10 of 100 pages used, 1000 tokens hit, 7 pages evicted, 3 "
                           "invalidated; hit ratio if half "
                           "50.0 %, if double 64.3 %\n",
                           "\n           disk bypassed (slower than \"computing\"): 30 of 300",
                           "\n           from_disk: 52 pages, 0.0 MiB in 2.00 s, 4 failures, 0.0 MiB on the disk\n",
                           "\n           4 tokens too short for sparse attention, which read everything\n",
                           "80.0 % of the transfers' time overlapped with steps, 1.00 s exposed\n"})
    EXPECT_NE(text.find(part), text.npos) << part << " is not in\n" << text;
}

TEST(CacheReport, TextKeepsQuietAboutWhatIsNotThere) {
  CacheStats stats;
  stats.tier(Tier::kDevice).state = TierState::kOn;
  stats.tier(Tier::kDevice).capacity_pages = 8;
  EXPECT_EQ(cache_text(stats),
            "cache      0 of 0 prompt tokens hit\n"
            "           device on: 0 of 8 pages used, 0 tokens hit, 0 pages evicted\n");
}

}  // namespace
}  // namespace lockstep
