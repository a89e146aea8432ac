// The planner's state and the parts of its work: admission, scheduling, commit. See cache/planner.h.
#pragma once

#include "cache/planner.h"
#include "cache/planner/page_pool.h"
#include "cache/planner/prefix_tree.h"
#include "cache/planner/sequence_state.h"
#include "cache/policy/lru.h"

#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

namespace lockstep {

struct Planner::Impl {
  /// The plan under construction.
  struct Step {
    StepPlan plan;
    int64_t tokens_left = 0;
  };

  explicit Impl(const PlannerConfig& config);

  // schedule.cpp
  StepPlan plan();
  std::optional<StepPlan> plan_ahead();
  /// A plan, or nothing if no sequence can have a row.
  std::optional<StepPlan> make_plan();
  void schedule_decodes(Step& step);
  void schedule_prompts(Step& step);
  /// One prompt chunk of a running sequence, as long as budget and pages allow; perhaps none.
  void schedule_chunk(Step& step, SequenceState& sequence);
  /// Where a chunk from `first` ends under the budget: at a page's end or behind the last known token.
  int64_t chunk_end(int64_t first, int64_t num_known, int64_t tokens_left) const;
  void adopt_cached_pages(SequenceState& sequence);
  void add_row(Step& step, SequenceState& sequence, int64_t end);

  // admission.cpp
  void admit(Step& step);
  void start(SequenceState& sequence, int64_t num_cached_pages);
  /// Pages the sequence holds soon: its known tokens and one page of growth.
  int64_t pages_soon(const SequenceState& sequence) const;
  /// Of the pages_soon of running sequences, those they do not hold yet.
  int64_t pages_promised() const;
  /// Free slots that admitting the sequence takes: new pages, and cached ones that stop being evictable.
  int64_t pages_to_admit(const SequenceState& sequence, int64_t num_cached_pages);

  // pages.cpp
  /// Gives open pages until the sequence has `num_pages`, or fewer when the pool is exhausted. With `may_preempt`,
  /// younger running sequences give up theirs.
  void grow(SequenceState& sequence, int64_t num_pages, bool may_preempt);
  std::optional<PlacedPage> obtain_page();
  bool preempt_younger_than(const SequenceState& sequence);
  /// Gives up all pages of a sequence: open ones leave the pool, cached ones stay for others.
  void release_pages(SequenceState& sequence);
  /// Evicts what the sequence left in the tree under keys that no other sequence can have.
  void drop_private_pages(SequenceState& sequence);
  int64_t pages_for(int64_t num_tokens) const { return (num_tokens + config.page_tokens - 1) / config.page_tokens; }
  /// Full pages that may come from the tree: at least one known token is left to compute, and every position that is
  /// still to be scored.
  int64_t shareable_pages(const SequenceState& s) const {
    const bool scores = s.num_scored < s.score_end;
    return (scores ? s.num_scored : s.num_known() - 1) / config.page_tokens;
  }

  // commit.cpp
  void commit(const StepPlan& plan, std::span<const TokenId> sampled);
  void commit_ahead(const StepPlan& plan);
  void resolve(const StepPlan& plan, std::span<const TokenId> sampled);
  void seal_full_pages(SequenceState& sequence);
  SequenceReport finish(SequenceId id);

  // invariants.cpp
  void check_invariants() const;

  SequenceState& sequence_of(SequenceId id);
  std::vector<SequenceState*>::iterator position_in_running(SequenceId id);
  void update_gauges();

  PlannerConfig config;
  LruPolicy policy;
  PrefixTree tree{policy};
  PagePool pool;
  std::unordered_map<SequenceId, SequenceState> sequences;
  std::map<SequenceId, SequenceState*> waiting;  // by age
  std::vector<SequenceState*> running;           // by age
  PlannerStats stats;
  uint64_t next_number = 0;  // of the next plan; the clock of last uses
  int64_t next_sequence = 0;
  bool plan_is_open = false;           // handed out, not committed
  bool open_plan_is_ahead = false;     // made by plan_ahead()
  std::optional<uint64_t> unresolved;  // plan that was committed ahead and whose tokens are out
};

}  // namespace lockstep
