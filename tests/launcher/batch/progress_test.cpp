#include "launcher/batch/progress.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <sstream>

namespace lockstep {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A clock of the test's own: nothing here depends on real time.
const Progress::Clock::time_point kStart{};

TEST(Progress, PlainLinesComeAtTheirInterval) {
  std::ostringstream out;
  Progress progress(out, {.rows_total = 100, .rows_resumed = 10}, kStart);
  for (int second = 0; second < 25; ++second)
    progress.update({second, 0, second * 100, second * 10}, {}, kStart + seconds(second));
  // Tokens of the last ten seconds; rows of the whole run: 10 rows in 10 s, 80 to go.
  EXPECT_EQ(out.str(),
            "20/100 rows (20.0%) | 100 prompt tok/s, 10 generated tok/s | 1m20s left\n"
            "30/100 rows (30.0%) | 100 prompt tok/s, 10 generated tok/s | 1m10s left\n");
}

TEST(Progress, RatesForgetWhatIsOlderThanTheWindow) {
  std::ostringstream out;
  Progress progress(out, {.rows_total = 10, .plain_interval = milliseconds(30000)}, kStart);
  for (int second = 0; second <= 15; ++second) progress.update({0, 0, 0, second * 1000}, {}, kStart + seconds(second));
  for (int second = 16; second <= 30; ++second) progress.update({0, 0, 0, 15000}, {}, kStart + seconds(second));
  EXPECT_EQ(out.str(), "0/10 rows (0.0%) | 0 prompt tok/s, 0 generated tok/s | unknown left\n");
}

TEST(Progress, TerminalLineIsRewrittenAtMostFiveTimesASecond) {
  std::ostringstream out;
  Progress progress(out, {.rows_total = 1000, .is_terminal = true}, kStart);
  for (int ms = 0; ms <= 1000; ms += 10) progress.update({ms / 10, 0, 0, 0}, {}, kStart + milliseconds(ms));
  const std::string text = out.str();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\r'), 5);
  EXPECT_EQ(text.find('\n'), text.npos);
  progress.finish({1000, 0, 0, 0}, kStart + milliseconds(1001));
  EXPECT_TRUE(out.str().ends_with("\n"));
  EXPECT_NE(out.str().find("1000/1000 rows (100.0%)"), std::string::npos);
}

TEST(Progress, AShorterTerminalLineCoversTheLongerOne) {
  std::ostringstream out;
  Progress progress(out, {.rows_total = 100, .is_terminal = true}, kStart);
  progress.update({1, 0, 1000000, 1000000}, {}, kStart + seconds(1));
  const size_t first = out.str().size();
  progress.update({2, 0, 1000000, 1000000}, {}, kStart + seconds(100));
  progress.finish({100, 0, 1000000, 1000000}, kStart + seconds(101));
  std::istringstream lines(out.str());
  std::string shown;
  std::getline(lines, shown, '\r');
  std::getline(lines, shown, '\r');
  EXPECT_EQ(shown.size() + 1, first);
  std::getline(lines, shown, '\r');
  EXPECT_GE(shown.size() + 1, first);
}

TEST(Progress, TellsFailuresAndWhatTheEnginesHold) {
  std::ostringstream out;
  Progress progress(out, {.rows_total = 100, .rows_resumed = 10, .rows_failed_before = 1}, kStart);
  progress.update({20, 2, 0, 0}, {.running = 8, .waiting = 5, .used_pages = 30, .total_pages = 40},
                  kStart + seconds(10));
  EXPECT_EQ(out.str(),
            "30/100 rows (30.0%), 3 failed | 0 prompt tok/s, 0 generated tok/s | 8 running, 5 waiting, cache 75% | 35s "
            "left\n");
  const ProgressReport report = progress.report();
  EXPECT_EQ(report.rows_done, 30);
  EXPECT_EQ(report.rows_failed, 3);
  EXPECT_DOUBLE_EQ(report.seconds_left, 35.0);
}

TEST(Progress, DurationsAreShort) {
  EXPECT_EQ(format_duration(0), "0s");
  EXPECT_EQ(format_duration(59.4), "59s");
  EXPECT_EQ(format_duration(187), "3m07s");
  EXPECT_EQ(format_duration(7500), "2h05m");
  EXPECT_EQ(format_duration(4 * 86400 + 3 * 3600), "4d03h");
  EXPECT_EQ(format_duration(-5), "0s");
}

}  // namespace
}  // namespace lockstep
