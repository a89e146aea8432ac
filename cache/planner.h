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
//  - Pool full: cached pages that nobody references leave the device in the order of the policy, to the host and from
//    there to the disk, as far as these tiers exist and take them; then admissions queue; then the youngest running
//    sequence is preempted (its pages are released, what is short of a page is recomputed later). A sequence that could
//    never fit is refused by add().
//  - Offload, where attention is sparse: before a sequence is preempted, pages of sequences that generate leave the
//    device for the host, where rows go on reading them. Never their first and last ones.
//  - Tiers: pages come back to the device for the row that reads them, in the same plan. From the disk they come to the
//    host first, ahead of their turn where the queue tells; a sequence waits for them while others go on.
#pragma once

#include "cache/step_plan.h"
#include "core/hash.h"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lockstep {

/// Which waiting sequence is next.
enum class ScheduleOrder : uint8_t {
  kInput,  // first come, first served
  kReuse,  // those that share a prefix one after the other: depth first over the tree of all that wait
};

/// Pools below the device and what is in the disk store, the same on every rank.
struct TierConfig {
  int64_t host_slots = 0;         // of the canonical format; 0 = no host tier, and no disk tier either
  int64_t cold_slots = 0;         // of the host, for pages in the cold format, numbered behind the host_slots others
  bool cold_takes_first = false;  // cold slots may hold first pages of sequences: they have 8 bits
  int64_t disk_pages = 0;         // pages that the store takes beside those it has; 0 = it takes none
  int64_t disk_pages_per_segment =
      1;                           // pages that are given up together: the n-th that is written is in segment n / this
  std::vector<Hash128> stored;     // keys of pages that every rank can read from the store
  int64_t fetch_ahead_pages = 32;  // most pages on their way from the disk for sequences that wait
  int64_t copy_ahead_pages = 0;    // pages next to leave the device that have a copy on the host beforehand
  int64_t faults_until_off = 8;    // failed transfers after which a tier is switched off
};

struct PlannerConfig {
  int64_t num_slots = 0;  // device pages, the same on every rank
  int64_t page_tokens = 64;
  int64_t max_step_tokens = 512;  // ≥ page_tokens; prompt and decode tokens of one step
  int64_t max_sequences = 64;     // rows of one step
  int64_t prefill_chunk = 0;  // most prompt tokens of one sequence in a step, multiple of page_tokens; 0 = no own limit
  /// Pages that can be written at a time, where a page gets its slot's format when it is full; 0 = pages are written in
  /// their slots.
  int64_t open_slots = 0;
  bool splits_first_page = false;  // the first page of a sequence takes two slots
  bool sparse = false;             // tokens behind the prompt attend sparsely
  Hash128 sparse_key{};            // stands for how, where pages of such tokens are named
  /// Rows may read pages on the host: those of sequences behind their prompts, but the first sparse_sink_pages, both
  /// halves of a split first page, and the sparse_recent_pages before the one that is written. Needs `sparse` and host
  /// slots.
  bool offload = false;
  int64_t sparse_sink_pages = 0, sparse_recent_pages = 0;
  bool share_prefixes = true;
  Hash128 cache_key{};         // root of the prefix tree's key chain: model fingerprint, dtype, RoPE, numerics
  std::string policy = "lru";  // of make_eviction_policy()
  /// Tells the policy who reads a page next, as far as the sequences that wait are known.
  bool knows_future = false;
  ScheduleOrder order = ScheduleOrder::kInput;
  TierConfig tiers = {};

  /// Pages that one sequence can write to in a step.
  int64_t least_open_slots() const { return max_step_tokens / page_tokens + 2; }
};

/// How the transfers of all ranks stand.
struct TransferStatus {
  /// By TransferChannel: all transfers up to this number have ended on every rank.
  std::array<uint64_t, kNumTransferChannels> done{};
  struct Failure {
    TransferChannel channel;
    uint64_t number;
  };
  /// Failed on one rank or more; each is told once, no later than it counts as done.
  std::vector<Failure> failed;
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
  /// The same by Tier, where they were found.
  std::array<int64_t, kNumTiers> hit_tokens{};
  /// Prompt tokens in whole pages that had been asked for before, or were in the store at start, when their sequence
  /// was admitted first. An estimate once more pages have been asked for than are remembered.
  int64_t attainable_hit_tokens = 0;
  int64_t computed_tokens = 0;  // scheduled to be computed, recomputation included
  int64_t preemptions = 0;
  int64_t evicted_pages = 0;  // left the device
  int64_t demoted_pages = 0;  // copied from device to host
  int64_t promoted_pages = 0;
  int64_t offloaded_pages = 0;  // left the device while sequences read them
  int64_t in_place_pages = 0;   // now: read on the host
  int64_t peak_in_place_pages = 0;
  int64_t in_place_page_reads = 0;  // pages of rows that lay on the host, in each step
  int64_t stored_pages = 0;         // copied from host to disk
  int64_t fetched_pages = 0;
  int64_t dropped_pages = 0;      // left their last tier
  int64_t invalidated_pages = 0;  // void by a failed copy
  /// By Tier: pages that left it for room, and pages that were void there.
  std::array<int64_t, kNumTiers> evictions{}, invalidations{};
  std::array<int64_t, kNumTransferChannels> failed_transfers{};
  int64_t void_rows = 0;              // computed on a page that turned out void
  std::array<bool, kNumTiers> off{};  // switched off after repeated faults
  int64_t used_slots = 0;             // now, cached pages that nobody references included
  int64_t unreferenced_pages = 0;     // now, of those: cached, ready to be shared or evicted
  int64_t peak_used_slots = 0;
  int64_t used_host_slots = 0;  // now, cold ones included
  int64_t used_cold_slots = 0;
  int64_t transcoded_pages = 0;     // that got the cold format, on their way to the host or there
  int64_t promoted_cold_pages = 0;  // that came back from it
  int64_t stored_now = 0;           // pages in the disk store, found or written
  int64_t steps = 0;
};

class StackDistance;

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

  /// How transfers stand, at any time between two of the other calls. Tells of failures that `commit` is not told of.
  void report(const TransferStatus& status);

  /// The next step. Requires has_work() and that the previous plan was committed and its ended sequences finished.
  /// Has at least one row, unless every sequence that could run waits for pages from the disk.
  StepPlan plan();
  /// Tells the tokens that were sampled for the plan's rows with wants_logits, in row order.
  /// Positions to be scored count as scored from here on.
  /// `failed`, of a plan with confirms: pages whose promotion failed on some rank. Rows that read them are void
  /// (void_rows()): they are passed over, whatever was sampled, and computed again.
  void commit(const StepPlan& plan, std::span<const TokenId> sampled, std::span<const PageId> failed = {});
  /// Rows of the plan that read one of these pages, by their places in plan.rows.
  static std::vector<size_t> void_rows(const StepPlan& plan, std::span<const PageId> failed);

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
  /// A plan without rows that copies up to `max_pages` cached pages of prompts to the disk store, beginnings first, as
  /// far as it takes them without giving up others; nothing when there is none left. With no sequence in the planner.
  std::optional<StepPlan> persist_plan(int64_t max_pages);
  /// A plan without rows that tells the ranks to leave their loop. They may enter it again: plans go on in order.
  StepPlan last_plan();

  const PlannerStats& stats() const;
  /// Distances between uses of the pages of prompts.
  const StackDistance& reuse() const;
  /// Recounts references, slots and order from scratch; throws Error on the first that is wrong. O(pages), for tests.
  void check_invariants() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep
