#include "core/log.h"

#include "core/error.h"

#include <memory>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace lockstep {
namespace {

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarn: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::shared_ptr<spdlog::logger>& logger() {
  static std::shared_ptr<spdlog::logger> instance = [] {
    auto made = std::make_shared<spdlog::logger>("lockstep", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%H:%M:%S [%l] %v");
    made->flush_on(spdlog::level::debug);
    return made;
  }();
  return instance;
}

}  // namespace

void configure_log(LogLevel level, Rank rank, int32_t num_ranks) {
  logger()->set_level(to_spdlog(level));
  if (num_ranks > 1) logger()->set_pattern(fmt::format("%H:%M:%S [rank {}] [%l] %v", rank.value()));
}

LogLevel parse_log_level(std::string_view text) {
  if (text == "debug") return LogLevel::kDebug;
  if (text == "info") return LogLevel::kInfo;
  if (text == "warn") return LogLevel::kWarn;
  if (text == "error") return LogLevel::kError;
  LS_THROW(ConfigError, "log level '{}' is unknown; accepted: debug, info, warn, error", text);
}

void log_line(LogLevel level, std::string_view text) { logger()->log(to_spdlog(level), text); }

}  // namespace lockstep
