// A batch job on one or more replicas: every leader draws rows from one shared counter and answers them; world rank 0
// keeps the journal, shows progress and writes the results in input order.
//
// Ranks: the constructor and the functions marked so are collective over the world. Not thread-safe.
#pragma once

#include "core/text/tokenizer.h"
#include "dist/mailbox.h"
#include "dist/work_counter.h"
#include "launcher/batch/generation_loop.h"
#include "launcher/batch/job_settings.h"
#include "launcher/batch/journal.h"
#include "launcher/batch/progress.h"
#include "launcher/batch/request_file.h"
#include "launcher/session.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lockstep {

class BatchJob {
 public:
  /// Checks every row and opens the journal on rank 0, and tells all which rows are finished already.
  /// Ranks: collective. Throws: PhaseFailure on every rank.
  BatchJob(Session& session, const JobSettings& settings, std::unique_ptr<WorkCounter> counter,
           std::unique_ptr<Mailbox> mailbox);

  /// Answers all rows that are not finished. Ranks: every rank calls; leaders work, the others follow.
  void run();
  /// Rank 0: writes the results file from the journal and removes the journal.
  void finalize();

  int64_t num_rows() const { return requests_ ? requests_->size() : 0; }
  int64_t num_resumed() const { return journal_ ? journal_->num_resumed() : 0; }
  /// Of this leader's own rows.
  const GenerationCounts& counts() const { return counts_; }

 private:
  std::optional<Request> next_request();
  void deliver(const Request& request, const Result& result);
  void store(int64_t row, std::string_view line, int64_t prompt_tokens, int64_t generated_tokens);
  /// Rank 0: takes what other leaders have sent. Returns false if there was nothing.
  bool receive();
  void lead();

  Session& session_;
  const JobSettings& settings_;
  std::unique_ptr<WorkCounter> counter_;
  std::unique_ptr<Mailbox> mailbox_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::string model_name_;
  std::optional<RequestFile> requests_;  // leaders
  std::vector<std::byte> finished_;      // one byte a row: 1 = an earlier run answered it
  int64_t next_row_ = 0, claimed_end_ = 0;
  GenerationCounts counts_;

  std::optional<Journal> journal_;  // rank 0, like all below
  std::optional<Progress> progress_;
  ProgressCounts shown_;
  int32_t leaders_done_ = 0;
};

}  // namespace lockstep
