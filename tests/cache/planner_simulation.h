// A planner driven as the engine drives it, over a model that is a hash: a token depends on every token before it.
//
// Instead of keys and values every slot remembers, per position, the hash of the whole token chain that was written
// there. Each row is checked to read exactly its own sequence's chain, so a stale, foreign or missing page is seen at
// once; plans travel as bytes and are followed by one or several ranks (rank_model.h), with transfers that take their
// time and fail.
#pragma once

#include "cache/page_table.h"
#include "cache/planner.h"
#include "cache/planner/paging.h"
#include "tests/cache/rank_model.h"

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace lockstep {

class Draw;

/// Coded pages or not, split first pages or not, sparse attention or not, and with host slots offload or not.
void draw_formats(Draw& draw, PlannerConfig& config);

struct SimulatedRequest {
  std::vector<TokenId> prompt;
  int64_t max_new_tokens = 1;
  uint64_t sampling_seed = 0;  // equal prompts with equal seeds generate the same text
  uint64_t stop_modulus = 0;   // a sampled hash that it divides ends the sequence; 0: length alone
  int64_t arrival_step = 0;
  int64_t cancel_step = -1;  // finished by the user before this step, wherever it is
  bool scores_prompt = false;
};

struct SimulationOptions {
  /// Plans are made one step ahead of their tokens, as for devices that compute meanwhile.
  bool ahead = false;
  /// Pages are persisted in the end.
  bool persists = false;
  /// About one in so many steps is followed by a last plan; 0: none. Half of the time all sequences end before, pages
  /// are persisted if they are to be, and the requests come anew; then plans go on.
  int64_t stop_rate = 0;
  /// One for each rank; rank r draws from seed + r.
  std::vector<RankModelOptions> ranks = {{}};
  /// check_invariants() after every so many steps.
  int64_t check_interval = 1;
  bool keeps_plans = true;
};

class PlannerSimulation {
 public:
  /// Throws Error at the first plan that breaks a rule; a message says which.
  PlannerSimulation(const PlannerConfig& config, std::vector<SimulatedRequest> requests, bool ahead = false);
  PlannerSimulation(const PlannerConfig& config, std::vector<SimulatedRequest> requests, SimulationOptions options);
  /// Until every request is finished, then the last plan.
  void run();

  /// Generated tokens by request.
  const std::vector<std::vector<TokenId>>& outputs() const { return outputs_; }
  const std::vector<SequenceReport>& reports() const { return reports_; }
  /// All plans as they travelled.
  const std::vector<std::vector<std::byte>>& plans() const { return plans_; }
  const Planner& planner() const { return planner_; }
  const PageTable& table() const { return ranks_.front().table(); }
  int64_t num_steps() const { return step_; }
  int64_t num_failures() const;

 private:
  struct Live {
    size_t request = 0;
    std::vector<TokenId> tokens;
    std::vector<uint64_t> chain;  // chain[p]: hash of tokens [0, p]
    int64_t num_scored = 0;
    bool is_over = false;  // has its last token; the planner may not know yet
  };

  void arrive_and_cancel();
  void step();
  void step_ahead();
  void report();
  /// Stops as the engine does, and starts again.
  void stop();
  bool wants_stop();
  void add(size_t request);
  void end_job();
  /// Checks the plan, writes its pages, samples into last_sampled_ and last_ended_; pages that failed into
  /// last_failed_.
  void carry_out(const StepPlan& plan);
  void follow(const StepPlan& plan);
  bool is_void(size_t row) const;
  void check_shape(const StepPlan& plan) const;
  void check_scores(const PlanRow& row, Live& live) const;
  void check_places(const PlanRow& row) const;
  void check_reads(const PlanRow& row, const Live& live);
  void write(const PlanRow& row, const Live& live);
  void seal(RankModel& rank, const PlanRow& row, size_t keys, size_t values);
  TokenId sample(Live& live, bool* stops) const;
  void append(Live& live, TokenId token) const;
  void finish(SequenceId id);

  std::mt19937_64 stops_{1};
  int64_t num_stops_ = 0;
  static constexpr uint64_t kValueMark = 0xf00;  // sets values of a split page apart from its keys

  PlannerConfig config_;
  Paging paging_;
  SimulationOptions options_;
  std::optional<StepPlan> in_flight_;   // ahead: carried out, its tokens not told
  std::vector<TokenId> last_sampled_;   // by the last plan that was carried out
  std::vector<SequenceId> last_ended_;  // with those
  std::vector<PageId> last_failed_;
  std::vector<size_t> void_rows_;
  std::vector<SimulatedRequest> requests_;
  Planner planner_;
  std::vector<RankModel> ranks_;
  std::map<SequenceId, Live> live_;
  std::map<size_t, SequenceId> id_of_request_;
  size_t num_arrived_ = 0;
  int64_t step_ = 0;
  std::vector<std::vector<TokenId>> outputs_;
  std::vector<SequenceReport> reports_;
  std::vector<std::vector<std::byte>> plans_;
};

}  // namespace lockstep
