#include "launcher/batch/status.h"

#include "core/error.h"
#include "core/log.h"
#include "launcher/batch/file.h"
#include "launcher/metrics/cache_report.h"

#include <array>
#include <climits>
#include <ctime>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace lockstep {

StatusFile::StatusFile(std::filesystem::path path, std::chrono::milliseconds interval)
    : path_(std::move(path)), interval_(interval), last_write_(Clock::now() - interval) {}

bool StatusFile::is_due(Clock::time_point now) const { return !path_.empty() && now - last_write_ >= interval_; }

void StatusFile::update(const ProgressReport& report, Clock::time_point now) {
  if (!is_due(now)) return;
  last_write_ = now;
  write("running", report);
}

void StatusFile::write(std::string_view state, const ProgressReport& report) {
  if (path_.empty()) return;
  try {
    write_file_atomically(path_, format_status(state, report, std::time(nullptr)));
    has_warned_ = false;
  } catch (const IoError& error) {
    if (!has_warned_) log_warn("status file: {}", error.what());
    has_warned_ = true;
  }
}

std::string format_status(std::string_view state, const ProgressReport& report, int64_t unix_time) {
  using Json = nlohmann::ordered_json;
  std::array<char, HOST_NAME_MAX + 1> host{};
  ::gethostname(host.data(), host.size() - 1);
  const Json json{{"state", state},
                  {"updated", unix_time},
                  {"host", host.data()},
                  {"pid", ::getpid()},
                  {"rows",
                   {{"total", report.rows_total},
                    {"done", report.rows_done},
                    {"failed", report.rows_failed},
                    {"resumed", report.rows_resumed}}},
                  {"tokens", {{"prompt", report.prompt_tokens}, {"generated", report.generated_tokens}}},
                  {"tokens_per_second",
                   {{"prompt", report.prompt_tokens_per_second}, {"generated", report.generated_tokens_per_second}}},
                  {"sequences", {{"running", report.gauges.running}, {"waiting", report.gauges.waiting}}},
                  {"cache_pages", {{"used", report.gauges.used_pages}, {"total", report.gauges.total_pages}}},
                  {"cache", cache_json(report.engines.cache)},
                  {"seconds", report.seconds},
                  {"seconds_left", report.seconds_left < 0 ? Json(nullptr) : Json(report.seconds_left)}};
  return json.dump(2, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

}  // namespace lockstep
