#include "launcher/metrics/metrics_exporter.h"

#include "core/error.h"
#include "core/log.h"
#include "launcher/batch/file.h"
#include "launcher/metrics/metric_families.h"

#include <algorithm>
#include <utility>

namespace lockstep {

MetricsExporter::MetricsExporter(Options options, std::string version)
    : options_(std::move(options)), last_write_(Clock::now() - options_.interval) {
  snapshot_.info.version = std::move(version);
  if (options_.port >= 0) endpoint_.emplace(options_.address, options_.port, snapshot_);
  write("loading", {});
}

void MetricsExporter::set_info(JobInfo info) {
  info.version = snapshot_.info.version;
  snapshot_.info = std::move(info);
}

bool MetricsExporter::is_due(Clock::time_point now) const { return now - last_write_ >= options_.interval; }

void MetricsExporter::update(const ProgressReport& report, Clock::time_point now) {
  if (!is_due(now)) return;
  last_write_ = now;
  write("running", report);
}

void MetricsExporter::write(std::string_view state, const ProgressReport& report) {
  snapshot_.state = state;
  snapshot_.report = report;
  most_generated_tokens_ = std::max(most_generated_tokens_, report.generated_tokens);
  snapshot_.report.generated_tokens = most_generated_tokens_;
  snapshot_.unix_seconds = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  if (endpoint_) endpoint_->show(snapshot_);
  if (!options_.file.empty()) write_file();
}

void MetricsExporter::write_file() {
  try {
    write_file_atomically(options_.file, format_metrics(snapshot_));
    has_warned_ = false;
  } catch (const IoError& error) {
    if (!has_warned_) log_warn("metrics file: {}", error.what());
    has_warned_ = true;
  }
}

}  // namespace lockstep
