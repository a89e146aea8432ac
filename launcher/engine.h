// The engine: the step loop of one tensor-parallel group. Second stop on the main path: step() is plan → forward →
// sample → commit; the next stop is dist/model/decoder.h, the side door cache/planner.h.
//
// On a GPU the loop runs one plan ahead: while a step computes, the next one is planned, published and enqueued, with
// the tokens in between left on the device (EngineConfig::plan_ahead); the host waits only for the tokens of the step
// before, to see which sequences end. A sequence that ends by its own decision has been computed one token too far
// then, for nothing. Answers do not depend on it.
//
// The leader (rank 0 of the group) owns the planner and calls add(), step(), finish(), stop(); every other rank calls
// follow() once and does what the plans say until the last one. Not thread-safe.
#pragma once

#include "cache/device_pool.h"
#include "cache/page_table.h"
#include "cache/planner.h"
#include "cache/transfer/page_mover.h"
#include "core/pinned_buffer.h"
#include "core/token_score.h"
#include "dist/communicator.h"
#include "dist/model/decoder.h"
#include "dist/model/hot_buffer.h"
#include "dist/model/page_selector.h"
#include "dist/plan_channel.h"
#include "dist/topology.h"
#include "dist/transfer_reports.h"
#include "launcher/batch/request.h"
#include "launcher/cache_tiers.h"
#include "launcher/decode_graphs.h"
#include "launcher/device_slots.h"
#include "launcher/logit_gather.h"
#include "launcher/step_sampler.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace lockstep {

struct TextModel;

/// Sizes of an engine, equal on every rank of a group.
struct EngineConfig {
  DType dtype = DType::kF32;
  int64_t max_sequence = 0;
  int64_t max_step_tokens = 0;
  int64_t max_sequences = 0;
  int64_t prefill_chunk = 0;
  int64_t page_tokens = 0;
  int64_t num_slots = 0;
  /// What num_slots was cut from; where that is bytes, there are fewer of wider pages.
  DeviceBudget budget = {};
  KvFormat format = KvFormat::kFull;
  /// How generated tokens attend to selected pages; nothing: they attend to all.
  std::optional<SparseLayers> sparse = {};
  /// With sparse attention and a host tier: pages of sequences that generate may be read on the host.
  bool offloads = false;
  /// CUDA, of those: pages' worth of device copies; 0: none.
  int64_t hot_pages = 0;
  bool share_prefixes = true;
  std::string policy = "adaptive";
  ScheduleOrder order = ScheduleOrder::kInput;
  TierSizes tiers = {};
  /// Plans one step ahead of its tokens where they are sampled on the device.
  bool plan_ahead = false;
  /// CUDA: records decode steps as graphs.
  bool graphs = false;
  /// What else the bits of a result depend on besides model and dtype: device kind, instruction set, libraries.
  std::string numerics = {};

  /// Pages that are being written at a time: one of each sequence, and those of a step.
  int64_t num_open_slots() const {
    return format == KvFormat::kFull ? 0 : max_sequences + max_step_tokens / page_tokens + 2;
  }
  /// Pages of the longest sequence.
  int64_t most_pages() const { return (max_sequence + page_tokens - 1) / page_tokens + 1; }
  PageShape page_shape() const;
  BatchLimits batch_limits() const;
  /// Most tokens of one forward pass, padding of graphs included.
  int64_t most_forward_tokens() const {
    return graphs ? std::max(max_step_tokens, DecodeGraphs::padded(max_sequences)) : max_step_tokens;
  }
};

/// Scores of prompt tokens that a step computed: scores[i] belongs to the token at first_position + i, which is ≥ 1.
struct PromptScores {
  SequenceId sequence;
  int64_t first_position = 0;
  std::vector<TokenScore> scores;
};

/// What moving a page costs against computing it, in nanoseconds; the worst of a group's ranks.
struct PageCosts {
  int64_t compute = 0, from_host = 0, from_disk = 0;  // 0: not measured
};

/// Where the time of the steps went, in seconds of the leader's clock.
struct EngineTimes {
  int64_t steps = 0;
  double prefill = 0.0, decode = 0.0, mixed = 0.0;  // steps with prompt tokens only, single tokens only, both
  double disk = 0.0;                                // steps in which every sequence waited for the disk; in class D1
                                                    // also what plans waited for it
  // The same time by what the host did: planned and took in tokens; told the other ranks; computed the forward pass and
  // the sampling, or on CUDA enqueued them; waited for the tokens (on the CPU: sampled what the host samples).
  double plan = 0.0, publish = 0.0, forward = 0.0, sampling = 0.0, wait = 0.0;
};

/// What became of a request.
using Outcome = std::variant<Result, RowError>;
using AnswerCallback = std::function<void(const Request&, const Outcome&)>;

class Engine {
 public:
  /// Loads this rank's weights. Ranks: local (a rank that fails can tell the others before the first collective).
  Engine(const OpContext& context, const Checkpoint& checkpoint, const Topology& topology, Communicator& group,
         const EngineConfig& config);

  /// Finds the layers whose keys are too coarse in 4 bits (dist/model/key_calibration.h), where the format asks for it.
  /// Before widen_keys(), use_tiers() and the first sequence; without it 4 bits serve all layers.
  /// Ranks: collective.
  void calibrate();
  /// Sets the cache up anew for what calibrate() found: pages are larger, of a number of bytes there are fewer, and the
  /// longest sequence shrinks with them if it may. Throws ConfigError where it may not. Ranks: local.
  void widen_keys();
  /// Adds tiers below the device. Before the first sequence; `tiers` outlives the engine. Measures what a page costs,
  /// and leaves out tiers that lose against computing, if config().tiers says so.
  /// Ranks: collective.
  void use_tiers(CacheTiers& tiers);

  /// Leader. Queues a sequence; `max_new_tokens` ≥ 1. Throws ConfigError if it can never fit, for a biased token
  /// outside the vocabulary, and for a negative number of logprobs.
  SequenceId add(std::vector<TokenId> prompt, int64_t max_new_tokens, const SamplingParams& sampling);
  /// Leader. Queues a sequence whose tokens behind the prompt are given, at least one: each comes from the step that
  /// would have sampled it, after observe_logits() was told the logits there. Throws as add().
  SequenceId add_forced(std::vector<TokenId> prompt, std::vector<TokenId> tokens);
  /// Leader. Who is told the logits of sequences of add_forced(), within step().
  void observe_logits(LogitObserver observer) { sampler_.observe(std::move(observer)); }
  /// Leader. Ends a sequence; its pages stay cached for others.
  SequenceReport finish(SequenceId sequence);
  bool has_work() const { return planner_ && planner_->has_work(); }
  /// Leader. One step of all ranks. Requires has_work(). The result is valid until the next call. Rows of sequences
  /// that were finished while they were computed have no token. No rows at all: every sequence waits for the disk.
  std::span<const SampledToken> step();
  /// Leader. What the last step() scored, for sequences with prompt_logprobs: over the steps every token of the prompt
  /// but the first, once, in order. The last ones come in the step that samples the first token. Valid until the next
  /// step().
  std::span<const PromptScores> prompt_scores() const { return prompt_scores_; }
  /// Leader. Makes the other ranks return from follow(), which they may call again.
  /// Cached pages of prompts are persisted before, if no sequence is left.
  void stop();
  /// Other ranks. Returns after the leader's stop(). Calls `between_steps`, if there is one, after each step.
  void follow(const std::function<void()>& between_steps = {});

  /// Answers text requests, each in its turn of `requests`, whose place is its index. `callback` is called on the
  /// leader, in the order in which answers are complete. May be called again, and not between add() and stop().
  /// Ranks: collective over the group; the others pass anything. Throws: Error without set_text() on the leader.
  void generate(std::span<const Request> requests, const AnswerCallback& callback);
  /// What generate() reads and writes text with; outlives the engine. nullptr: token ids only.
  void set_text(const TextModel* text) { text_ = text; }

  const EngineConfig& config() const { return config_; }
  /// Of this rank's pages.
  const KvLayout& kv_layout() const { return layout_; }
  /// Of pages of the host in the cold format, if there are any.
  const KvLayout& cold_layout() const { return cold_layout_; }
  /// Of all page ops so far; the same on every rank.
  Hash128 cache_digest() const { return table_->digest(); }
  /// Of this rank's device for keys and values: slots, pages that are written, summaries, copies of hot pages.
  int64_t kv_bytes() const { return pool_->bytes() + (hot_ ? hot_->bytes() : 0); }
  /// In dB, what calibrate() found by layer; empty without it.
  std::span<const double> key_signal_to_noise() const { return key_signal_to_noise_; }
  /// Stands for whatever decides the bits of a page, but its tokens.
  Hash128 page_content() const;
  const EngineTimes& times() const { return times_; }
  /// CUDA graphs recorded so far by this rank.
  int64_t num_graphs() const { return graphs_.num_recorded(); }
  const PlannerStats& planner_stats() const { return planner_->stats(); }
  /// Of this rank's transfers.
  MoverStats mover_stats() const { return mover_ ? mover_->stats() : MoverStats{}; }
  /// Of this rank's disk store; all 0 without one.
  DiskStoreBytes disk_bytes() const { return store_ != nullptr ? store_->bytes() : DiskStoreBytes{}; }
  const PageCosts& page_costs() const { return costs_; }
  /// Of this rank's layers and KV heads; all 0 where attention is not sparse. Waits for the device.
  SelectionTotals selection_totals() const { return selector_ ? selector_->totals() : SelectionTotals{}; }
  /// Of this rank; all 0 but on GPUs that read pages on the host. Waits for the device.
  HotTotals hot_totals() const { return hot_ ? hot_->totals() : HotTotals{}; }
  /// Tiers that are there and not used, since computing is faster.
  bool is_bypassed(Tier tier) const { return bypassed_[static_cast<size_t>(tier)]; }
  /// Leader. What the planner was told of the tiers.
  const TierConfig& tier_config() const { return tier_config_; }
  const Planner& planner() const { return *planner_; }
  int64_t num_running() const { return planner_->num_running(); }
  int64_t num_waiting() const { return planner_->num_waiting(); }
  /// Leader. Slots of the KV cache that running sequences hold, of config().num_slots.
  int64_t cache_slots_used() const { return planner_stats().used_slots - planner_stats().unreferenced_pages; }
  /// Leader. Slots of pages that nobody holds: kept to be shared, evicted when a slot is needed.
  int64_t cache_slots_kept() const { return planner_stats().unreferenced_pages; }
  /// Grows when a step begins and when it is done, on every rank. Any thread may read it: a watchdog sees by it whether
  /// a rank still moves.
  uint64_t progress() const { return progress_.load(std::memory_order_relaxed); }

 private:
  /// A place for the score of one prompt token.
  struct ScoreTask {
    TokenScore* score;
    TokenId token;
    int32_t num_top;
  };

  void make_cache(const LayerSet& wide_keys);
  void make_planner();
  PageCosts measure_costs(CacheTiers& tiers);
  int64_t measure_host_copy(HostPool& host);
  int64_t measure_prefill(int64_t num_tokens);
  void follow_ops(const StepPlan& plan);
  KvPages pages() const;
  void read_on_host(HostPool& host);
  void confirm(const StepPlan& plan);
  void report_transfers();
  bool tell_transfers();
  void await_disk();
  void note_disk(const std::array<uint64_t, kNumTransferChannels>& done) {
    disk_done_ = {done[static_cast<size_t>(TransferChannel::kToDisk)],
                  done[static_cast<size_t>(TransferChannel::kFromDisk)]};
  }
  void end_with(const StepPlan& last);
  void persist();
  void check(const SamplingParams& sampling) const;
  StepPlan publish(StepPlan plan);
  void run(const StepPlan& plan);
  void compute(const StepPlan& plan);
  std::optional<StepPlan> run_ahead_of(const StepPlan& plan);
  TensorView forward(const StepPlan& plan);
  void count_time(const StepPlan& plan, double seconds);
  void score_prompts(const StepPlan& plan);
  std::span<const float> on_host(TensorView values);
  std::vector<ScoreTask> prepare_scores(const StepPlan& plan);

  OpContext context_;
  EngineConfig config_;
  Communicator& group_;
  PlanChannel channel_;
  std::optional<PageTable> table_;
  Decoder decoder_;
  KvLayout layout_, cold_layout_;
  std::vector<double> key_signal_to_noise_;
  std::optional<DevicePool> pool_;
  std::optional<PageSelector> selector_;
  std::optional<TransferReports> reports_;  // with tiers, like the mover
  std::unique_ptr<PageMover> mover_;
  const HostPool* host_ = nullptr;  // that rows read
  std::optional<HotBuffer> hot_;    // copies of what they read there
  const DiskStore* store_ = nullptr;
  std::array<uint64_t, kNumTransferChannels> transfers_begun_{};
  std::array<uint64_t, 2> disk_done_{};  // transfers to and from the disk: of all ranks on the leader, else of this one
  bool must_diverge_ = false;
  PageCosts costs_;
  std::array<bool, kNumTiers> bypassed_{};
  bool is_leader_ = false;
  int32_t ranks_of_kv_head_ = 1;
  Hash128 model_key_, cache_key_;
  TierConfig tier_config_;
  ForwardBatch batch_;
  DecodeGraphs graphs_;
  int64_t vocab_size_;
  ModelConfig model_;
  const TextModel* text_ = nullptr;
  LogitGather gather_;
  SamplingStates states_;  // leader only
  StepSampler sampler_;
  PinnedBuffer score_logits_;  // CUDA
  std::atomic<uint64_t> progress_{0};

  std::unique_ptr<Planner> planner_;                            // leader only, like all below
  std::optional<StepPlan> in_flight_;                           // enqueued, its tokens not taken
  std::vector<PageId> failed_pages_;                            // of the plan that was run last
  std::vector<PromptScores> scores_in_flight_, prompt_scores_;  // of the last plan that was run; of the last step()
  EngineTimes times_;
};

}  // namespace lockstep
