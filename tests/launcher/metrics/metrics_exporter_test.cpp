#include "launcher/metrics/metrics_exporter.h"

#include "tests/launcher/metrics/example_stats.h"
#include "tests/launcher/metrics/exposition.h"
#include "tests/launcher/metrics/http_client.h"
#include "tests/support/expect_throw.h"
#include "tests/support/temporary_directory.h"

#include <thread>

namespace lockstep {
namespace {

using testing_support::example_snapshot;
using testing_support::Exposition;
using testing_support::parse_exposition;
using testing_support::read_file;
using testing_support::TemporaryDirectory;

TEST(MetricsExporter, WritesNowAndThen) {
  const TemporaryDirectory directory;
  const auto path = directory / "job.prom";
  const auto start = MetricsExporter::Clock::now();
  MetricsExporter exporter({.file = path, .interval = std::chrono::seconds(5)}, "1.2.3");
  EXPECT_FALSE(exporter.endpoint());
  const Exposition loading = parse_exposition(read_file(path));
  EXPECT_EQ(loading.value("lockstep_job_state", {{"state", "loading"}}), 1);
  EXPECT_EQ(loading.value("lockstep_build_info", {{"version", "1.2.3"}}), 1);

  const ProgressReport report = example_snapshot().report;
  exporter.update(report, start + std::chrono::seconds(1));
  EXPECT_EQ(parse_exposition(read_file(path)).value("lockstep_job_state", {{"state", "running"}}), 1);
  std::filesystem::remove(path);
  EXPECT_FALSE(exporter.is_due(start + std::chrono::seconds(5)));
  exporter.update(report, start + std::chrono::seconds(5));
  EXPECT_FALSE(std::filesystem::exists(path)) << "too early";
  EXPECT_TRUE(exporter.is_due(start + std::chrono::seconds(6)));
  exporter.update(report, start + std::chrono::seconds(6));
  EXPECT_EQ(parse_exposition(read_file(path)).value("lockstep_rows"), 10);
  exporter.write("finished", report);
  EXPECT_EQ(parse_exposition(read_file(path)).value("lockstep_job_state", {{"state", "finished"}}), 1);
}

TEST(MetricsExporter, FileAndHttpTellTheSame) {
  const TemporaryDirectory directory;
  const auto path = directory / "job.prom";
  MetricsExporter exporter({.file = path, .port = 0}, "1.2.3");
  exporter.set_info(example_snapshot().info);
  exporter.write("running", example_snapshot().report);
  ASSERT_TRUE(exporter.endpoint());
  const std::string file = read_file(path);
  const std::string http = testing_support::http_get(exporter.endpoint()->port(), "/metrics").body;
  EXPECT_NE(http.find(file), http.npos) << http;  // beside what the HTTP library counts of itself
  EXPECT_NE(file.find("version=\"1.2.3\""), file.npos);
  parse_exposition(file);
}

TEST(MetricsExporter, AFileThatIsReadIsAlwaysWhole) {
  const TemporaryDirectory directory(testing_support::memory_directory());
  const auto path = directory / "job.prom";
  MetricsExporter exporter({.file = path}, "1.2.3");
  std::jthread writer([&](const std::stop_token& stop) {
    ProgressReport report;
    while (!stop.stop_requested()) {
      ++report.rows_total;
      report.engines.cache.preemptions = report.rows_total;
      exporter.write("running", report);
    }
  });
  double before = 0.0;
  for (int i = 0; i < 300; ++i) {
    const Exposition text = parse_exposition(read_file(path));
    EXPECT_EQ(text.value("lockstep_rows"), text.value("lockstep_cache_preemptions_total"));
    EXPECT_GE(text.value("lockstep_rows"), before);
    before = text.value("lockstep_rows");
  }
}

TEST(MetricsExporter, GeneratedTokensNeverFall) {
  const TemporaryDirectory directory;
  const auto path = directory / "job.prom";
  MetricsExporter exporter({.file = path}, "1.2.3");
  exporter.write("running", {.generated_tokens = 90, .gauges = {}});
  exporter.write("stopped", {.generated_tokens = 50, .gauges = {}});
  EXPECT_EQ(parse_exposition(read_file(path)).value("lockstep_generated_tokens_total"), 90);
  exporter.write("stopped", {.generated_tokens = 91, .gauges = {}});
  EXPECT_EQ(parse_exposition(read_file(path)).value("lockstep_generated_tokens_total"), 91);
}

TEST(MetricsExporter, APlaceThatCannotBeWrittenEndsNothing) {
  MetricsExporter exporter({.file = "/no/such/place/job.prom"}, "1.2.3");
  testing::internal::CaptureStderr();
  exporter.write("running", {});
  exporter.write("running", {});
  testing::internal::GetCapturedStderr();
  EXPECT_FALSE(std::filesystem::exists("/no/such/place"));
}

}  // namespace
}  // namespace lockstep
