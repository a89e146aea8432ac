// Computes prompts for the disk tier alone. The leaders of all replicas draw rows from one counter; each goes in rounds
// of as many prompts as the device pool holds and makes their pages durable at the end of each. So no page is dropped
// before it is written (with the policy lru, under which a round evicts only pages of rounds before it), and a job that
// is killed keeps its rounds.
//
// Ranks: the constructor and run() are collective over the world. Not thread-safe.
#pragma once

#include "dist/mailbox.h"
#include "dist/work_counter.h"
#include "launcher/batch/progress.h"
#include "launcher/batch/prompt_encoder.h"
#include "launcher/batch/result_channel.h"
#include "launcher/batch/row_source.h"
#include "launcher/batch/stop_agreement.h"
#include "launcher/session.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace lockstep {

struct WarmSettings {
  std::string directory, input, chat_template, chat_date;
  bool lenient = false;
  int64_t step_timeout_seconds = 600;
  int64_t progress_seconds = 10;
};

class CacheWarming {
 public:
  /// `rows`: of leaders. `chat_date`: the day that chat templates are told, the same on every rank.
  CacheWarming(Session& session, const WarmSettings& settings, const RowIndex* rows, const std::string& chat_date,
               std::unique_ptr<WorkCounter> counter, std::unique_ptr<Mailbox> mailbox);

  /// Returns the signal that stopped it, 0 if every row was taken.
  int run();
  /// Rank 0, after run(): rows of all replicas.
  const ProgressCounts& counts() const { return counts_; }

 private:
  /// A row whose prompts are being computed.
  struct Row {
    int64_t index = 0;
    int64_t num_open = 0, num_prompt_tokens = 0;
    bool is_finite = true;
  };
  struct Prompt {
    std::shared_ptr<Row> row;
    std::vector<TokenId> tokens;
  };

  bool run_round();
  bool fill_round();
  bool has_prompt();
  void prepare(Request request);
  void take(const SampledToken& sampled);
  void abandon_all();
  bool look();
  void fail(const RowError& error);
  void deliver(int64_t row, RowKind kind, std::string line, int64_t prompt_tokens);
  bool receive();
  void count(const RowMessage& message);
  void wait_for_other_leaders();

  Session& session_;
  const WarmSettings& settings_;
  const RowIndex* rows_;
  std::unique_ptr<WorkCounter> counter_;
  std::unique_ptr<Mailbox> mailbox_;
  StopAgreement stop_;
  std::atomic<uint64_t> looks_ = 0;  // moves the watchdog where rows fail without a step

  std::vector<std::byte> finished_;  // leaders, like all below: no row is
  std::optional<RowSource> source_;
  std::optional<PromptEncoder> encoder_;
  std::deque<Prompt> prepared_;  // of the row that was drawn last, not in the engine
  std::unordered_map<SequenceId, std::shared_ptr<Row>> open_;

  std::optional<Progress> progress_;  // rank 0, like all below
  ProgressCounts counts_;
  std::vector<LeaderGauges> replicas_;
  int32_t leaders_done_ = 0;
};

}  // namespace lockstep
