#include "launcher/batch/chat_date.h"

#include "tests/support/expect_throw.h"

#include <ctime>

namespace lockstep {
namespace {

TEST(ChatDate, TheClockStandsAtNoonOfTheDay) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(clock_of("2024-02-29")());
  std::tm local{};
  localtime_r(&seconds, &local);
  EXPECT_EQ(local.tm_year, 124);
  EXPECT_EQ(local.tm_mon, 1);
  EXPECT_EQ(local.tm_mday, 29);
  EXPECT_EQ(local.tm_hour, 12);
}

TEST(ChatDate, TodayIsADate) { clock_of(today()); }

TEST(ChatDate, RefusesWhatIsNoDate) {
  for (const char* text : {"", "today", "2023-02-29", "2024-13-01", "2024-1-1", "2024-02-29x"})
    testing_support::expect_throw<ConfigError>([&] { clock_of(text); }, {"chat-date", "accepted is a date"});
}

}  // namespace
}  // namespace lockstep
