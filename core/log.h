// Log lines on standard error, each with its rank. Results never go through here.
#pragma once

#include "core/ids.h"

#include <fmt/format.h>
#include <string_view>

namespace lockstep {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarn, kError };

/// Sets what is shown and the rank in front of each line. Call once, before other threads log. Default: kInfo, rank 0.
void configure_log(LogLevel level, Rank rank, int32_t num_ranks);
/// "debug", "info", "warn", "error". Throws ConfigError.
LogLevel parse_log_level(std::string_view text);

/// Thread-safe.
void log_line(LogLevel level, std::string_view text);

template <class... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warn(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kWarn, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kError, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace lockstep
