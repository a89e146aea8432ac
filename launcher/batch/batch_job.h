// A batch job on one or more replicas: every leader draws rows from one shared counter and answers them; world rank 0
// keeps the journal, shows progress and writes the results in input order.
//
// Ranks: the constructor and the functions marked so are collective over the world. Not thread-safe.
#pragma once

#include "dist/mailbox.h"
#include "dist/work_counter.h"
#include "launcher/batch/generation_loop.h"
#include "launcher/batch/job_settings.h"
#include "launcher/batch/job_store.h"
#include "launcher/batch/result_channel.h"
#include "launcher/batch/result_format.h"
#include "launcher/batch/row_index.h"
#include "launcher/batch/row_source.h"
#include "launcher/batch/stop_agreement.h"
#include "launcher/session.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

class BatchJob {
 public:
  /// Indexes the rows, opens the journal on rank 0, and tells all which rows are finished already.
  /// `metrics`: of rank 0, to be kept up to date; it outlives the job.
  /// Ranks: collective. Throws: PhaseFailure on every rank.
  BatchJob(Session& session, const JobSettings& settings, std::unique_ptr<WorkCounter> counter,
           std::unique_ptr<Mailbox> mailbox, MetricsExporter* metrics = nullptr);

  /// Answers all rows that are not finished, or stops earlier if a signal asks for it.
  /// Ranks: collective; leaders work, the others follow. Returns the signal that stopped the job, 0 if all is done.
  int run();
  /// Writes the output files from the journal and removes the journal. Ranks: collective. Throws: PhaseFailure.
  void finalize();

  int64_t num_rows() const { return rows_ ? rows_->size() : 0; }
  /// Rank 0.
  const JobStore& store() const { return *store_; }
  /// Of this leader's own rows.
  const GenerationCounts& counts() const { return counts_; }

 private:
  void open_files(MetricsExporter* metrics);
  void lead();
  bool step_done(const GenerationCounts& counts);
  void deliver(int64_t row, RowKind kind, std::string line, int64_t prompt_tokens, int64_t generated_tokens);
  LeaderGauges gauges() const;
  /// Another leader's figures, if it has not sent any for a while.
  std::optional<EngineFigures> figures_if_due();
  /// Rank 0: stores what other leaders have sent. Returns false if there was nothing.
  bool receive();
  void wait_for_other_leaders();

  Session& session_;
  const JobSettings& settings_;
  std::unique_ptr<WorkCounter> counter_;
  std::unique_ptr<Mailbox> mailbox_;
  StopAgreement stop_;
  std::string model_name_, chat_date_;
  std::optional<RowIndex> rows_;              // leaders
  std::vector<std::byte> finished_;           // one byte a row: 1 = an earlier run finished it
  std::optional<ResultFormatter> formatter_;  // leaders
  GenerationCounts counts_;
  std::atomic<uint64_t> looks_ = 0;        // at the state between steps and rows; moves the watchdog
  int64_t finished_generated_tokens_ = 0;  // of this leader's own finished rows
  std::chrono::steady_clock::time_point last_figures_{};

  std::unique_ptr<JobStore> store_;  // rank 0, like all below
  int32_t leaders_done_ = 0;
};

}  // namespace lockstep
