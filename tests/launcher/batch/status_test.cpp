#include "launcher/batch/status.h"

#include "tests/support/temporary_directory.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

using testing_support::read_file;
using testing_support::TemporaryDirectory;
using Json = nlohmann::json;

const ProgressReport kReport{.rows_total = 10,
                             .rows_done = 4,
                             .rows_failed = 1,
                             .generated_tokens = 99,
                             .seconds = 2.5,
                             .gauges = {.running = 3, .waiting = 2, .used_pages = 5, .total_pages = 8}};

TEST(Status, TellsTheJobsState) {
  const Json json = Json::parse(format_status("running", kReport, 1700000000));
  EXPECT_EQ(json["state"], "running");
  EXPECT_EQ(json["updated"], 1700000000);
  EXPECT_EQ(json["rows"], (Json{{"total", 10}, {"done", 4}, {"failed", 1}, {"resumed", 0}}));
  EXPECT_EQ(json["sequences"]["running"], 3);
  EXPECT_EQ(json["cache_pages"]["total"], 8);
  EXPECT_TRUE(json["seconds_left"].is_null()) << "unknown";
}

TEST(Status, WritesNowAndThen) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "status.json";
  const auto start = StatusFile::Clock::now();
  StatusFile status(path, std::chrono::seconds(5));
  status.update(kReport, start + std::chrono::seconds(1));
  ASSERT_TRUE(std::filesystem::exists(path));
  std::filesystem::remove(path);
  status.update(kReport, start + std::chrono::seconds(5));
  EXPECT_FALSE(std::filesystem::exists(path)) << "too early";
  status.update(kReport, start + std::chrono::seconds(6));
  EXPECT_EQ(Json::parse(read_file(path))["state"], "running");
  status.write("finished", kReport);
  EXPECT_EQ(Json::parse(read_file(path))["state"], "finished");
}

TEST(Status, APlaceThatCannotBeWrittenEndsNothing) {
  StatusFile status("/no/such/place/status.json");
  status.write("running", kReport);
  status.write("running", kReport);
}

}  // namespace
}  // namespace lockstep
