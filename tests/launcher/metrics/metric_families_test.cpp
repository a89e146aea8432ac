#include "launcher/metrics/metric_families.h"

#include "tests/launcher/metrics/example_stats.h"
#include "tests/launcher/metrics/exposition.h"
#include "tests/support/expect_throw.h"
#include "tests/support/temporary_directory.h"

#include <set>

namespace lockstep {
namespace {

using testing_support::example_snapshot;
using testing_support::expect_throw;
using testing_support::Exposition;
using testing_support::parse_exposition;
using testing_support::snapshot_in;

TEST(MetricFamilies, TextIsWellFormedAndHoldsEveryValue) {
  const Exposition text = parse_exposition(format_metrics(example_snapshot()));
  EXPECT_EQ(text.value("lockstep_build_info", {{"version", "0.1.0"}}), 1);
  EXPECT_EQ(text.value("lockstep_ranks"), 4);
  EXPECT_EQ(text.value("lockstep_job_state", {{"state", "running"}}), 1);
  EXPECT_EQ(text.value("lockstep_job_state", {{"state", "finished"}}), 0);
  EXPECT_EQ(text.value("lockstep_snapshot_timestamp_seconds"), 1700000000.5);
  EXPECT_EQ(text.value("lockstep_rows"), 10);
  EXPECT_EQ(text.value("lockstep_rows_resumed"), 2);
  EXPECT_EQ(text.value("lockstep_rows_finished_total"), 4);
  EXPECT_EQ(text.value("lockstep_rows_failed_total"), 1);
  EXPECT_EQ(text.value("lockstep_prompt_tokens_total"), 500);
  EXPECT_EQ(text.value("lockstep_generated_tokens_total"), 99);
  EXPECT_EQ(text.value("lockstep_sequences", {{"state", "running"}}), 3);
  EXPECT_EQ(text.value("lockstep_sequences", {{"state", "waiting"}}), 2);
  EXPECT_EQ(text.value("lockstep_elapsed_seconds"), 2.5);
  EXPECT_EQ(text.value("lockstep_remaining_seconds"), 5);
  EXPECT_EQ(text.value("lockstep_steps_total"), 30);
  EXPECT_EQ(text.value("lockstep_step_seconds_total", {{"kind", "mixed"}}), 3);
  EXPECT_EQ(text.value("lockstep_host_seconds_total", {{"phase", "wait"}}), 0.5);

  EXPECT_EQ(text.value("lockstep_cache_tier_state", {{"tier", "disk"}, {"state", "bypassed"}}), 1);
  EXPECT_EQ(text.value("lockstep_cache_tier_state", {{"tier", "disk"}, {"state", "on"}}), 0);
  EXPECT_EQ(text.value("lockstep_cache_capacity_pages", {{"tier", "host"}}), 200);
  EXPECT_EQ(text.value("lockstep_cache_used_pages", {{"tier", "host"}}), 20);
  EXPECT_EQ(text.value("lockstep_cache_hit_tokens_total", {{"tier", "host"}}), 2000);
  EXPECT_EQ(text.value("lockstep_cache_evicted_pages_total", {{"tier", "host"}}), 14);
  EXPECT_EQ(text.value("lockstep_cache_invalidated_pages_total", {{"tier", "disk"}}), 9);
  EXPECT_EQ(text.value("lockstep_cache_lookup_tokens_total"), 8000);
  EXPECT_EQ(text.value("lockstep_cache_attainable_hit_tokens_total"), 7500);
  EXPECT_EQ(text.value("lockstep_cache_demoted_pages_total"), 21);
  EXPECT_EQ(text.value("lockstep_cache_promoted_pages_total"), 22);
  EXPECT_EQ(text.value("lockstep_cache_recomputed_pages_total"), 23);
  EXPECT_EQ(text.value("lockstep_cache_preemptions_total"), 24);
  EXPECT_EQ(text.value("lockstep_cache_transfers_total", {{"channel", "to_disk"}}), 33);
  EXPECT_EQ(text.value("lockstep_cache_transfer_pages_total", {{"channel", "to_disk"}}), 39);
  EXPECT_EQ(text.value("lockstep_cache_transfer_bytes_total", {{"channel", "to_disk"}}), 12288);
  EXPECT_EQ(text.value("lockstep_cache_transfer_stored_bytes_total", {{"channel", "to_disk"}}), 3072);
  EXPECT_EQ(text.value("lockstep_cache_transfer_busy_seconds_total", {{"channel", "to_disk"}}), 1.5);
  EXPECT_EQ(text.value("lockstep_cache_transfer_failures_total", {{"channel", "to_disk"}}), 3);
  EXPECT_EQ(text.value("lockstep_cache_cold_capacity_pages"), 8);
  EXPECT_EQ(text.value("lockstep_cache_cold_used_pages"), 5);
  EXPECT_EQ(text.value("lockstep_cache_transcoded_pages_total"), 9);
  EXPECT_EQ(text.value("lockstep_cache_cold_promoted_pages_total"), 4);
  EXPECT_EQ(text.value("lockstep_cache_cold_saved_bytes"), 1 << 20);
  EXPECT_EQ(text.value("lockstep_sparse_lists_total"), 6);
  EXPECT_EQ(text.value("lockstep_sparse_dense_lists_total"), 2);
  EXPECT_EQ(text.value("lockstep_sparse_fallback_lists_total"), 1);
  EXPECT_EQ(text.value("lockstep_sparse_fallback_tokens_total"), 4);
  EXPECT_EQ(text.value("lockstep_sparse_pages_read_total"), 10);
  EXPECT_EQ(text.value("lockstep_sparse_pages_there_total"), 40);
  EXPECT_EQ(text.value("lockstep_sparse_estimated_mass_total"), 3);
  EXPECT_EQ(text.value("lockstep_sparse_offloaded_pages_total"), 7);
  EXPECT_EQ(text.value("lockstep_sparse_in_place_page_reads_total"), 70);
  EXPECT_EQ(text.value("lockstep_sparse_peak_in_place_pages"), 5);
  EXPECT_EQ(text.value("lockstep_sparse_hot_reads_total"), 41);
  EXPECT_EQ(text.value("lockstep_sparse_hot_fetches_total"), 9);
  EXPECT_EQ(text.value("lockstep_sparse_hot_misses_total"), 3);
  EXPECT_EQ(text.value("lockstep_cache_exposed_stall_seconds_total"), 1);
  EXPECT_DOUBLE_EQ(text.value("lockstep_cache_overlap_ratio"), 0.8);
  EXPECT_EQ(text.value("lockstep_cache_first_uses_total"), 5);
  EXPECT_EQ(text.value("lockstep_cache_reuse_distance_pages_bucket", {{"le", "4"}}), 4);
  EXPECT_EQ(text.value("lockstep_cache_reuse_distance_pages_count"), 6);
  EXPECT_EQ(text.value("lockstep_cache_reuse_distance_pages_sum"), 315);
  EXPECT_EQ(text.value("lockstep_cache_estimated_hit_ratio", {{"capacity_pages", "300"}}), 0.6);
  EXPECT_EQ(text.value("lockstep_cache_what_if_hit_ratio", {{"tier", "device"}, {"scale", "0.5"}}), 0.5);
  EXPECT_DOUBLE_EQ(text.value("lockstep_cache_cost_page_seconds", {{"channel", "to_host"}}), 1e-6);
  EXPECT_DOUBLE_EQ(text.value("lockstep_cache_cost_prefill_token_seconds"), 2.5e-6);
}

TEST(MetricFamilies, LabelsAreEscaped) {
  const std::string text = format_metrics(example_snapshot());
  EXPECT_NE(text.find(R"(model="/a \"model\"\\with\nall")"), text.npos) << text;
  EXPECT_EQ(parse_exposition(text).value("lockstep_job_info", {{"model", "/a \"model\"\\with\nall"},
                                                               {"device", "cpu"},
                                                               {"isa", "avx2"},
                                                               {"dtype", "bf16"},
                                                               {"tensor_parallel", "2"},
                                                               {"data_parallel", "2"}}),
            1);
}

TEST(MetricFamilies, LargeCountsKeepTheirDigits) {
  MetricsSnapshot snapshot = example_snapshot();
  snapshot.report.engines.cache.transfers[0].bytes = (int64_t{1} << 53) - 1;
  EXPECT_NE(format_metrics(snapshot).find("9007199254740991\n"), std::string::npos);
}

TEST(MetricFamilies, WhatIsNotKnownHasNoSeries) {
  const Exposition text = parse_exposition(format_metrics(snapshot_in("loading")));
  EXPECT_EQ(text.value("lockstep_job_state", {{"state", "loading"}}), 1);
  for (const char* name :
       {"job_info", "ranks", "remaining_seconds", "cache_attainable_hit_tokens_total", "cache_recomputed_pages_total",
        "cache_overlap_ratio", "cache_first_uses_total", "cache_reuse_distance_pages", "cache_estimated_hit_ratio",
        "cache_what_if_hit_ratio", "cache_cost_page_seconds", "cache_cost_prefill_token_seconds"})
    EXPECT_FALSE(text.has(std::string("lockstep_") + name)) << name;
}

TEST(MetricFamilies, ACurveWithoutATierHasNoWhatIf) {
  MetricsSnapshot snapshot = example_snapshot();
  for (TierStats& tier : snapshot.report.engines.cache.tiers) tier.state = TierState::kAbsent;
  EXPECT_FALSE(parse_exposition(format_metrics(snapshot)).has("lockstep_cache_what_if_hit_ratio"));
}

// Every name stands in the documentation, and the documentation and the dashboard name nothing else.
TEST(MetricFamilies, AreDocumented) {
  const Exposition text = parse_exposition(format_metrics(example_snapshot()));
  const std::string source = LOCKSTEP_SOURCE_DIR;
  for (const char* file : {"/docs/metrics.md", "/examples/dashboards/lockstep.json"}) {
    const std::string content = testing_support::read_file(source + file);
    std::set<std::string> named;
    for (size_t at = content.find("lockstep_"); at != content.npos; at = content.find("lockstep_", at + 1)) {
      const size_t end = content.find_first_not_of("abcdefghijklmnopqrstuvwxyz_", at);
      named.insert(content.substr(at, end - at));
    }
    for (const std::string& name : named) {
      const std::string bucket = "_bucket";
      const std::string family = name.ends_with(bucket) ? name.substr(0, name.size() - bucket.size()) : name;
      EXPECT_TRUE(text.has(family)) << file << " names " << name;
    }
    // The dashboard shows all that is known of sparse attention and of cold pages, of the rest a choice.
    const bool is_text = std::string(file).ends_with(".md");
    for (const auto& [name, family] : text.families) {
      const bool is_wanted = is_text || name.starts_with("lockstep_sparse_") || name.find("_cold_") != name.npos;
      EXPECT_TRUE(!is_wanted || named.contains(name)) << name << " is missing in " << file;
    }
  }
}

// The reader that these tests rely on finds what is wrong.
TEST(Exposition, RefusesWhatTheFormatForbids) {
  const std::string head = "# HELP a_total x\n# TYPE a_total counter\n";
  EXPECT_EQ(parse_exposition(head + "a_total{b=\"c\\\\\"} 1\n").value("a_total", {{"b", "c\\"}}), 1);
  const auto refuse = [](const std::string& text, std::string_view part) {
    expect_throw<std::runtime_error>([&] { parse_exposition(text); }, {part});
  };
  refuse(head + "a_total 1", "no end");
  refuse(head + "a_total -1\n", "counter's value");
  refuse(head + "a_total one\n", "not a number");
  refuse(head + "a_total 1\na_total 2\n", "series comes twice");
  refuse(head + "b_total 1\n", "another family");
  refuse(head + "a_total{b=\"c} 1\n", "does not end");
  refuse(head + "a_total{b=\"\\t\"} 1\n", "unknown escape");
  refuse(head + "a_total{b=\"1\",b=\"2\"} 1\n", "label comes twice");
  refuse(head + "a_total 1\n" + head + "a_total 1\n", "family comes twice");
  refuse(head, "without type or samples");
  refuse("# HELP a x\n# TYPE a counter\na 1\n", "_total");
  refuse("# HELP a_total x\na_total 1\n", "before its HELP and TYPE");
  const std::string histogram = "# HELP h x\n# TYPE h histogram\nh_sum 1\nh_count 2\n";
  refuse(histogram + "h_bucket{le=\"1\"} 2\n", "no bucket +Inf");
  refuse(histogram + "h_bucket{le=\"1\"} 3\nh_bucket{le=\"+Inf\"} 2\n", "holds less");
  refuse(histogram + "h_bucket{le=\"+Inf\"} 1\n", "_count");
}

}  // namespace
}  // namespace lockstep
