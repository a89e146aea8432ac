// Decides each step: which sequences run, on how many tokens, in which pages. Pure host logic; runs on the leader only.
//
// Owns all logical cache state: the prefix tree, page ids, slots, reference counts. Everything it decides depends on
// the sequences given and the tokens committed, never on time. Not thread-safe. Next stop on the main path:
// cache/step_plan.h.
//
// Rules (docs/cache.md tells them with their reasons)
//  - Continuous batching: decode rows first (one token each), then prompt chunks, oldest sequence first, until
//    max_step_tokens or max_sequences is reached. Chunk cuts are multiples of page_tokens (but the end of the known
//    tokens).
//  - Prefix sharing: full pages of prompts and outputs enter the prefix tree when sealed; a new sequence starts behind
//    its longest cached prefix (at least one token is always computed, for its logits).
//  - Single flight: a sequence whose next page is being computed by another in this step waits for it.
//  - Pool full: cached pages that nobody references are evicted (least recently used leaf first; ties: higher page id);
//    then admissions queue; then the youngest running sequence is preempted (its pages are released, unsealed work is
//    recomputed later). A sequence that could never fit is refused by add().
#pragma once

#include "cache/step_plan.h"
#include "core/hash.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace lockstep {

struct PlannerConfig {
  int64_t num_slots = 0;  // device pages, the same on every rank
  int64_t page_tokens = 64;
  int64_t max_step_tokens = 512;  // ≥ page_tokens; prompt and decode tokens of one step
  int64_t max_sequences = 64;     // rows of one step
  int64_t prefill_chunk = 0;  // most prompt tokens of one sequence in a step, multiple of page_tokens; 0 = no own limit
  bool share_prefixes = true;
  Hash128 cache_key{};  // root of the prefix tree's key chain: model fingerprint, dtype, RoPE, numerics
};

struct SequenceSpec {
  std::vector<TokenId> prompt;  // not empty
  int64_t max_new_tokens = 0;   // ≥ 1
  bool needs_full_logits = false;
  /// Every position of the prompt but the last is computed and named once by the rows' [score_begin, score_end), in
  /// order; cached pages serve the sequence only for positions that were named before.
  bool scores_prompt = false;
};

/// What is left to tell of a sequence when it ends.
struct SequenceReport {
  /// Prompt tokens found in the cache instead of computed, on the first way through the prompt. Depends on what ran
  /// before and beside it: for statistics, not for results that must be the same in every run.
  int64_t cached_prompt_tokens = 0;
};

struct PlannerStats {
  int64_t prompt_tokens = 0;         // of admitted sequences
  int64_t cached_prompt_tokens = 0;  // of those, found in the prefix tree
  int64_t computed_tokens = 0;       // scheduled to be computed, recomputation included
  int64_t preemptions = 0;
  int64_t evicted_pages = 0;
  int64_t used_slots = 0;          // now, cached pages that nobody references included
  int64_t unreferenced_pages = 0;  // now, of those: cached, ready to be shared or evicted
  int64_t peak_used_slots = 0;
  int64_t steps = 0;
};

class Planner {
 public:
  /// Throws ConfigError naming the field for values out of range.
  explicit Planner(const PlannerConfig& config);
  ~Planner();

  /// Queues a sequence. Throws ConfigError if prompt + max_new_tokens can never fit into the pool.
  SequenceId add(SequenceSpec spec);
  bool has_work() const;
  int64_t num_waiting() const;
  int64_t num_running() const;

  /// The next step. Requires has_work() and that the previous plan was committed and its ended sequences finished.
  /// Always has at least one row.
  StepPlan plan();
  /// Tells the tokens that were sampled for the plan's rows with wants_logits, in row order.
  /// Positions to be scored count as scored from here on.
  void commit(const StepPlan& plan, std::span<const TokenId> sampled);

  // One step ahead: while the devices compute a plan, the next is made without its tokens.
  //   commit_ahead(n); m = plan_ahead(); … tokens of n arrive … resolve(n, tokens); finish(…); commit_ahead(m); …
  // Which plans are made depends on the order of these calls alone, never on time.

  /// As commit(), but the tokens are told later, by resolve(), before the next commit.
  void commit_ahead(const StepPlan& plan);
  /// The next step, whose rows may end in unknown tokens (PlanRow::token_source); nothing if no row can be planned
  /// without the tokens that are out. Sequences that have max_new_tokens with those get no row.
  std::optional<StepPlan> plan_ahead();
  /// Tells the tokens of the plan that was committed ahead.
  void resolve(const StepPlan& plan, std::span<const TokenId> sampled);

  /// Ends a sequence (stop, length, error), waiting or running: releases its pages; sealed ones stay cached. Must come
  /// before the next plan() once max_new_tokens are sampled. Not between plan() and its commit(); but while a plan of
  /// plan_ahead() is open: its row for the sequence is computed for nothing then, and passed over by the commit.
  SequenceReport finish(SequenceId sequence);
  /// A plan without rows that tells the ranks to leave their loop. They may enter it again: plans go on in order.
  StepPlan last_plan();

  const PlannerStats& stats() const;
  /// Recounts references, slots and order from scratch; throws Error on the first that is wrong. O(pages), for tests.
  void check_invariants() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep
