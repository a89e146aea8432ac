#include "launcher/batch/chat_date.h"

#include "core/error.h"

#include <ctime>

namespace lockstep {
namespace {

std::string format_date(const std::tm& time) {
  return fmt::format("{:04}-{:02}-{:02}", time.tm_year + 1900, time.tm_mon + 1, time.tm_mday);
}

}  // namespace

std::string today() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  return format_date(local);
}

ChatTemplate::Clock clock_of(const std::string& date) {
  std::tm noon{};
  const char* const end = strptime(date.c_str(), "%Y-%m-%d", &noon);
  noon.tm_hour = 12;
  noon.tm_isdst = -1;  // to be found out
  const std::time_t seconds = end != nullptr && *end == '\0' ? std::mktime(&noon) : -1;
  // mktime moves days that no month has.
  LS_REQUIRE(ConfigError, seconds != -1 && format_date(noon) == date,
             "chat-date = \"{}\": accepted is a date of the form 2026-11-23", date);
  return [time = std::chrono::system_clock::from_time_t(seconds)] { return time; };
}

}  // namespace lockstep
