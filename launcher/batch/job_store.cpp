#include "launcher/batch/job_store.h"

#include "core/error.h"
#include "core/log.h"
#include "launcher/batch/chat_date.h"
#include "launcher/batch/file.h"
#include "launcher/batch/job_manifest.h"

#include <chrono>
#include <iostream>
#include <unistd.h>
#include <utility>

namespace lockstep {
namespace {

namespace fs = std::filesystem;

// Ranks that outlive a killed mpirun notice it within a second or two, and finish a step at most.
constexpr std::chrono::milliseconds kLockPatience{15000};
// Failed rows that are named in the log; the errors file names all.
constexpr int64_t kMaxFailuresTold = 5;

/// Beside what the job's own files stand.
fs::path base_of(const JobSettings& settings) {
  if (!settings.journal.empty()) return settings.journal;
  if (settings.output != "-") return settings.output;
  return fs::temp_directory_path() / fmt::format("lockstep-{}", ::getpid());
}

OutputPaths outputs_of(const JobSettings& settings, const fs::path& base) {
  OutputPaths paths{.output = settings.output, .errors = settings.errors};
  if (paths.errors.empty()) paths.errors = default_errors_path(settings.output == "-" ? base : paths.output);
  check_output_paths(paths);
  return paths;
}

}  // namespace

JobStore::JobStore(const JobSettings& settings, MetricsExporter* metrics)
    : settings_(settings),
      base_(base_of(settings)),
      journal_file_(journal_path(base_)),
      outputs_(outputs_of(settings, base_)),
      input_(settings.input, spool_path(base_), kLockPatience),
      status_(settings.status),
      metrics_(metrics) {
  status_.write("loading", {});
}

std::string JobStore::chat_date() const {
  if (!settings_.chat_date.empty()) return settings_.chat_date;
  const auto earlier = settings_.restart || !is_resumable() ? std::nullopt : read_first_manifest(base_);
  const auto found = earlier ? earlier->find(kChatDateKey) : Manifest::const_iterator();
  return earlier && found != earlier->end() ? found->second : today();
}

void JobStore::open_journal(const RowIndex& rows, Manifest manifest, Notes notes) {
  journal_.emplace(JournalOptions{.output = settings_.output,
                                  .base = base_,
                                  .manifest = std::move(manifest),
                                  .notes = std::move(notes),
                                  .num_rows = rows.size(),
                                  // Without a name of its own it belongs to this process: what is there is not its.
                                  .restart = settings_.restart || !is_resumable(),
                                  .force_resume = settings_.force_resume,
                                  .lock_patience = kLockPatience});
  constexpr double kMiB = 1024.0 * 1024.0;
  log_info("{} rows in {}; their index holds {:.1f} MiB", rows.size(), input_.name(),
           static_cast<double>(rows.memory_bytes()) / kMiB);
  describe_opened();
}

void JobStore::describe_opened() const {
  if (!journal_->is_locked())
    log_warn("the file system of '{}' has no locks: run this job once at a time", journal_file_.string());
  if (!is_resumable()) log_warn("results go to standard output and no --journal is given: this job cannot be resumed");
  if (journal_->discarded_bytes() > 0) {
    log_warn("the journal ended in {} bytes that do not check out: the rows in them are computed again",
             journal_->discarded_bytes());
  }
  for (const ForeignRows& foreign : journal_->mixed_manifests())
    log_warn("{} finished rows were made under other settings:\n{}", foreign.num_rows, foreign.difference);
  if (journal_->num_resumed() > 0)
    log_info("resuming: {} of {} rows are finished", journal_->num_resumed(), journal_->num_rows());
}

std::vector<std::byte> JobStore::finished_rows() const {
  std::vector<std::byte> finished(static_cast<size_t>(num_rows()));
  for (int64_t row = 0; row < num_rows(); ++row)
    finished[static_cast<size_t>(row)] = std::byte{journal_->is_finished(row)};
  return finished;
}

void JobStore::start(int64_t num_replicas, int64_t total_pages) {
  replicas_.resize(static_cast<size_t>(num_replicas));
  figures_.resize(static_cast<size_t>(num_replicas));
  total_pages_ = total_pages;
  progress_.emplace(std::cerr, Progress::Options{.rows_total = num_rows(),
                                                 .rows_resumed = num_resumed(),
                                                 .rows_failed_before = num_failed(),
                                                 .is_terminal = stderr_is_terminal(),
                                                 .plain_interval = std::chrono::seconds(settings_.progress_seconds)});
}

void JobStore::store(const RowMessage& message) {
  try {
    journal_->append(message.row, message.kind, message.line);
  } catch (const IoError& error) {
    LS_THROW(IoError, "{}; the {} finished rows in it are safe: mend the cause and give the same command again",
             error.what(), num_finished());
  }
  ++counts_.rows_done;
  counts_.prompt_tokens += message.prompt_tokens;
  counts_.generated_tokens += message.generated_tokens;
  if (message.kind != RowKind::kError) return;
  ++counts_.rows_failed;
  if (num_failures_told_ < kMaxFailuresTold) log_warn("row {} failed: {}", message.row + 1, message.line);
  if (++num_failures_told_ == kMaxFailuresTold) log_warn("more failed rows will stand in the errors file only");
}

void JobStore::set_gauges(int32_t replica, const LeaderGauges& gauges) {
  replicas_[static_cast<size_t>(replica)] = gauges;
}

void JobStore::set_figures(int32_t replica, const EngineFigures& figures) {
  figures_[static_cast<size_t>(replica)] = figures;
}

bool JobStore::wants_figures() const { return status_.is_due() || (metrics_ && metrics_->is_due()); }

ProgressReport JobStore::report() const {
  ProgressReport report = progress_->report();
  report.engines = figures_.front();
  for (size_t i = 1; i < figures_.size(); ++i) report.engines = report.engines + figures_[i];
  return report;
}

void JobStore::write_state(const std::string& state) {
  status_.write(state, report());
  if (metrics_) metrics_->write(state, report());
}

ProgressGauges JobStore::gauges() const {
  ProgressGauges sum{.total_pages = total_pages_};
  for (const LeaderGauges& replica : replicas_) {
    sum.running += replica.running;
    sum.waiting += replica.waiting;
    sum.used_pages += replica.used_pages;
  }
  return sum;
}

// Text generated so far counts at once, prompts and rows when they are finished.
void JobStore::show(int64_t unfinished_tokens) {
  ProgressCounts now = counts_;
  now.generated_tokens += unfinished_tokens;
  progress_->update(now, gauges());
  if (!wants_figures()) return;
  status_.update(report());
  if (metrics_) metrics_->update(report());
}

void JobStore::finish(const std::string& state) {
  journal_->flush();
  progress_->finish(counts_);
  write_state(state);
  if (state == "stopped" && !is_resumable()) journal_->remove();
}

void JobStore::finalize() {
  write_output_files(*journal_, outputs_);
  input_.remove_spool();
  write_state("finished");
}

}  // namespace lockstep
