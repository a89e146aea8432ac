// The planner's state and the parts of its work: admission, scheduling, commit. See cache/planner.h.
#pragma once

#include "cache/planner.h"
#include "cache/planner/disk_book.h"
#include "cache/planner/page_pool.h"
#include "cache/planner/paging.h"
#include "cache/planner/planned_readers.h"
#include "cache/planner/prefix_tree.h"
#include "cache/planner/sequence_state.h"
#include "cache/replay/stack_distance.h"

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <tuple>
#include <unordered_map>
#include <vector>

namespace lockstep {

/// A page of running sequences that the device may give up, and what that costs: compared in order, the least goes
/// first.
struct OffloadCandidate {
  // Has no copy on the host; is read by a prompt that is computed; readers; minus the candidates of its sequence;
  // depth; page id.
  std::tuple<bool, bool, int64_t, int64_t, int64_t, int64_t> cost;
  PrefixTree::Node* node;  // nullptr: it was forgotten
};

struct Planner::Impl {
  /// The plan under construction.
  struct Step {
    StepPlan plan;
    int64_t tokens_left = 0;
    int64_t extra_rows_left = 0;  // for the kernels, beside one row for each sequence
  };

  explicit Impl(const PlannerConfig& config);

  // schedule.cpp
  StepPlan plan();
  std::optional<StepPlan> plan_ahead();
  /// A plan, or nothing if no sequence can have a row. `may_wait`: also one without rows, to wait for the disk.
  std::optional<StepPlan> make_plan(bool may_wait);
  void take_arrived(Step& step);
  void schedule_decodes(Step& step);
  void schedule_prompts(Step& step);
  /// One prompt chunk of a running sequence, as long as budget and pages allow; perhaps none.
  void schedule_chunk(Step& step, SequenceState& sequence);
  /// Where a chunk from `first` ends under the budget: at a page's end or behind the last known token.
  int64_t chunk_end(int64_t first, int64_t num_known, int64_t tokens_left) const;
  int64_t chunk_end(const SequenceState& sequence, const Step& step) const;
  void add_row(Step& step, SequenceState& sequence, int64_t end);

  // loading.cpp
  /// Continues the sequence behind cached pages, as far as they are on the device or can be brought there for this
  /// plan. With `may_preempt`, younger running sequences give up pages for it. False: there is no row for it in this
  /// plan, since a cached page it needs is on its way or finds no slot.
  bool adopt_cached_pages(Step& step, SequenceState& sequence, bool may_preempt);
  void adopt(SequenceState& sequence, PrefixTree::Node& node, Tier found_in);
  /// The page of this key, in any tier; nullptr if it is cached in none. `parent`: the page before it.
  PrefixTree::Node* find_cached(const Hash128& key, PrefixTree::Node* parent);
  /// How many of the chain's first pages are cached in any tier.
  int64_t num_cached(std::span<const Hash128> chain);
  bool promote(Step& step, SequenceState& sequence, PrefixTree::Node& node, bool may_preempt);
  /// Sees to it that the page comes from the disk to the host. False: there is no slot for it. `is_due`: a running
  /// sequence waits for it, else only slots of pages that are worth less are taken.
  bool fetch(PrefixTree::Node& node, bool is_due);
  void fetch_ahead();

  // tiers.cpp
  bool free_device_slot();
  /// The page gives up its slot on the device, to go on in a lower tier if one takes it.
  void leave_device(PrefixTree::Node& node);
  /// `kept` and the pages before it are not forgotten for it.
  void leave_host(PrefixTree::Node& node, const PrefixTree::Node* kept = nullptr);
  /// Copies a page to the host. `is_leaving`: it is about to leave the device, and would be lost else.
  bool demote(PrefixTree::Node& node, bool is_leaving);
  /// Into a free slot, if there is one.
  bool copy_to_host(PrefixTree::Node& node);
  /// Room is made for it, if it must be, but not at the cost of `kept` or of pages that one of the two hangs from.
  bool store(PrefixTree::Node& node, bool may_reclaim, const PrefixTree::Node* kept = nullptr);
  void drop_host_copy(PrefixTree::Node& node);
  void drop_disk_copy(PrefixTree::Node& node);
  /// Forgets what hangs below a page; what is on the disk stays there, to be found again.
  void drop_below(PrefixTree::Node& node);
  /// Forgets a page that no sequence reads, and what hangs below it.
  void drop(PrefixTree::Node& node);
  void forget(PrefixTree::Node& node);
  bool reclaim_disk_segment(std::initializer_list<const PrefixTree::Node*> kept);
  void copy_ahead();

  // ending.cpp
  /// Takes the ops so far.
  StepPlan plan_without_rows();
  StepPlan last_plan();
  std::optional<StepPlan> persist_plan(int64_t max_pages);
  bool persist(PrefixTree::Node& node);
  /// Nobody reads any more what the next plan with rows was to confirm.
  void give_up_unconfirmed();

  // offload.cpp
  /// A page of a running sequence gives up its slot on the device, to be read on the host.
  bool offload_page();
  /// Frees a slot of the device without anybody giving up a page that it reads.
  bool make_room() { return free_device_slot() || offload_page(); }
  /// Whether offload_page() can free so many slots.
  bool can_offload(int64_t count);
  int64_t offload_room() const;
  /// What offload_page() takes pages from, for the rest of the plan.
  void list_offloadable();
  /// Pages of the sequence that may be read on the host, but those that this walk has seen and its first ones that are
  /// there.
  std::span<PrefixTree::Node* const> unseen_offloadable(SequenceState& sequence) const;
  bool is_offloadable(const PrefixTree::Node& node) const;
  bool takes_host_room();

  // cold.cpp
  bool has_cold() const { return config.tiers.cold_slots > 0; }
  /// As demote(), where a page may shrink rather than leave.
  bool demote_or_shrink(PrefixTree::Node& node);
  /// A host slot of the canonical format becomes free: for a page of which it is worth it, or whatever it costs
  /// (is_due).
  bool free_exact_slot(const PrefixTree::Node& node, bool is_due);
  /// The page gives up its slot of the canonical format: for a cold one, if it is worth one.
  bool leave_exact_slot(PrefixTree::Node& node, const PrefixTree::Node& kept, bool is_due);
  /// A cold slot becomes free for a page.
  bool free_cold_slot(const PrefixTree::Node& node, const PrefixTree::Node& kept);
  void shrink(PrefixTree::Node& node);

  // faults.cpp
  void report(const TransferStatus& status);
  void fail_host_copy(uint64_t number);
  void fail_fetch(uint64_t number);
  void fail_store(uint64_t number);
  void fail_promotions(std::span<const PageId> pages);
  void count_fault(Tier tier, TransferChannel channel);
  void switch_off(Tier tier);
  /// Content is void: all sequences go back behind the page before it.
  void invalidate(PrefixTree::Node& node);
  /// All sequences that read the page go back behind the page before it.
  void cut_back_readers(const PrefixTree::Node& node);
  void cut_back(SequenceState& sequence, size_t page);

  // queue.cpp
  void enqueue(SequenceState& sequence);
  void order_queue();
  void plan_reads(SequenceState& sequence);
  void forget_reads(SequenceState& sequence);
  /// The sequence has page number `page` now.
  void fulfil_read(SequenceState& sequence, int64_t page);

  // admission.cpp
  void admit(Step& step);
  void start(SequenceState& sequence);
  void count_lookups(SequenceState& sequence);
  /// Pages the sequence holds soon: its known tokens and one page of growth.
  int64_t pages_soon(const SequenceState& sequence) const;
  /// Of the pages_soon of running sequences, those they do not hold yet.
  int64_t pages_promised() const;
  /// Free slots that admitting the sequence takes: new pages, and cached ones that stop being evictable.
  int64_t pages_to_admit(const SequenceState& sequence, std::span<const Hash128> keys);

  // pages.cpp
  /// Gives open pages until the sequence has `num_pages`, or fewer when the pool is exhausted. With `may_preempt`,
  /// younger running sequences give up theirs.
  void grow(SequenceState& sequence, int64_t num_pages, bool may_preempt);
  bool preempt_younger_than(const SequenceState& sequence);
  /// Gives up all pages of a sequence: open ones leave the pool, cached ones stay for others.
  void release_pages(SequenceState& sequence);
  /// Evicts what the sequence left in the tree under keys that no other sequence can have.
  void drop_private_pages(SequenceState& sequence);
  /// Full pages that may come from the tree: at least one known token is left to compute, and every position that is
  /// still to be scored.
  int64_t shareable_pages(const SequenceState& s) const {
    const bool scores = s.num_scored < s.score_end;
    return paging.full_pages(scores ? s.num_scored : s.num_known() - 1);
  }

  // commit.cpp
  void commit(const StepPlan& plan, std::span<const TokenId> sampled, std::span<const PageId> failed);
  void commit_ahead(const StepPlan& plan);
  void check_is_open(const StepPlan& plan) const;
  void commit_rows(const StepPlan& plan, std::span<const size_t> void_rows);
  void resolve(const StepPlan& plan, std::span<const TokenId> sampled);
  void seal_full_pages(SequenceState& sequence);
  SequenceReport finish(SequenceId id);

  // invariants.cpp
  void check_invariants() const;

  SequenceState& sequence_of(SequenceId id);
  std::vector<SequenceState*>::iterator position_in_running(const SequenceState& sequence);
  void update_gauges();

  PlannerConfig config;
  Paging paging;
  std::unique_ptr<EvictionPolicy> policy;
  PlannedReaders readers;
  PrefixTree tree;
  PagePool pool;
  DiskBook disk;
  std::map<uint64_t, Hash128> copies, fetches, writes;  // by transfer: pages on their way to host, from and to disk
  std::vector<PrefixTree::Node*> promoted;              // by the open plan
  std::vector<PrefixTree::Node*> offloaded;             // likewise
  std::vector<OffloadCandidate> offloadable;  // a heap, on top what costs least; of the plan under construction
  bool has_listed_offloadable = false;
  uint64_t num_walks = 0;  // over pages that may be offloaded
  std::array<int64_t, kNumTiers> faults{};

  std::unordered_map<SequenceId, SequenceState> sequences;
  std::map<uint64_t, SequenceState*> waiting;  // by place
  std::vector<SequenceState*> running;         // by place
  int64_t num_unordered = 0;                   // of those waiting, in the order of their coming
  uint64_t next_place = 0, next_queue_place = uint64_t{1} << 62;
  bool is_waiting_for_disk = false;
  PlannerStats stats;
  StackDistance reuse{{.sampling = 0, .max_pages = int64_t{1} << 18}};  // exact for so many pages, then a sample
  uint64_t next_number = 0;                                             // of the next plan; the clock of last uses
  int64_t next_sequence = 0;
  bool plan_is_open = false;           // handed out, not committed
  bool open_plan_is_ahead = false;     // made by plan_ahead()
  std::optional<uint64_t> unresolved;  // plan that was committed ahead and whose tokens are out
};

}  // namespace lockstep
