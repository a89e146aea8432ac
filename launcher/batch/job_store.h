// Rank 0's side of a batch job: where rows come from, the journal of finished ones, what is shown of the job, and the
// output files at its end. Not thread-safe.
#pragma once

#include "launcher/batch/input_source.h"
#include "launcher/batch/job_settings.h"
#include "launcher/batch/journal.h"
#include "launcher/batch/output_files.h"
#include "launcher/batch/progress.h"
#include "launcher/batch/result_channel.h"
#include "launcher/batch/row_index.h"
#include "launcher/batch/status.h"
#include "launcher/metrics/metrics_exporter.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lockstep {

class JobStore {
 public:
  /// Opens the input. `metrics`, if there are any, are kept up to date. Throws IoError, FormatError, ConfigError.
  explicit JobStore(const JobSettings& settings, MetricsExporter* metrics = nullptr);

  /// A plain file that every leader can read.
  const std::filesystem::path& input_file() const { return input_.file(); }
  const std::string& input_name() const { return input_.name(); }
  /// The day that chat templates are told: the settings', else that of the run which began the job, else today.
  std::string chat_date() const;
  /// Starts or continues the journal of the rows. Throws as Journal.
  void open_journal(const RowIndex& rows, Manifest manifest, Notes notes = {});
  /// One byte a row: 1 where it is finished.
  std::vector<std::byte> finished_rows() const;

  /// Begins to show progress; `total_pages` of all replicas' caches.
  void start(int64_t num_replicas, int64_t total_pages);
  /// Keeps a finished row. Throws IoError with advice: what is stored so far stays good.
  void store(const RowMessage& message);
  void set_gauges(int32_t replica, const LeaderGauges& gauges);
  void set_figures(int32_t replica, const EngineFigures& figures);
  /// Whether show() would write figures: they need not be brought up to date else.
  bool wants_figures() const;
  /// Shows the state; `unfinished_tokens` were generated for rows that are not finished. Cheap when nothing is due.
  void show(int64_t unfinished_tokens);
  /// Ends the showing and makes all rows durable. `state`: as StatusFile.
  void finish(const std::string& state);
  /// All rows are finished: writes the output files and removes the journal.
  void finalize();

  /// Whether a later run can find the journal.
  bool is_resumable() const { return settings_.output != "-" || !settings_.journal.empty(); }
  int64_t num_rows() const { return journal_->num_rows(); }
  int64_t num_finished() const { return journal_->num_finished(); }
  int64_t num_failed() const { return journal_->num_failed(); }
  int64_t num_resumed() const { return journal_->num_resumed(); }
  std::vector<ForeignRows> rows_of_other_settings() const { return journal_->mixed_manifests(); }
  const std::filesystem::path& journal_file() const { return journal_file_; }
  const std::filesystem::path& errors_file() const { return outputs_.errors; }

 private:
  ProgressGauges gauges() const;
  ProgressReport report() const;
  void write_state(const std::string& state);
  void describe_opened() const;

  const JobSettings& settings_;
  std::filesystem::path base_, journal_file_;
  OutputPaths outputs_;
  InputSource input_;
  std::optional<Journal> journal_;
  std::optional<Progress> progress_;
  StatusFile status_;
  MetricsExporter* metrics_;
  ProgressCounts counts_;
  std::vector<LeaderGauges> replicas_;
  std::vector<EngineFigures> figures_;  // by replica
  int64_t total_pages_ = 0;
  int64_t num_failures_told_ = 0;
};

}  // namespace lockstep
