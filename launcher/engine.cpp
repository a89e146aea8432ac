#include "launcher/engine.h"

#include "core/copy.h"
#include "core/error.h"
#include "core/trace.h"
#include "dist/model/key_calibration.h"
#include "dist/sharding.h"
#include "kernels/page_summaries.h"
#include "kernels/token_score.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace lockstep {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Adds the time of its life to a sum.
class TimeInto {
 public:
  explicit TimeInto(double& sum) : sum_(sum) {}
  ~TimeInto() { sum_ += seconds_since(start_); }
  TimeInto(const TimeInto&) = delete;
  TimeInto& operator=(const TimeInto&) = delete;

 private:
  double& sum_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

template <class Work>
decltype(auto) timed(double& sum, Work&& work) {
  const TimeInto time(sum);
  return work();
}

// Rows of logits that scoring prompts holds at a time: enough to keep the product busy, few enough that a vocabulary of
// 150,000 takes 40 MB and not a gigabyte.
constexpr size_t kMostScoreRows = 64;

// Whatever decides the bits of a key or value is part of the key of its page.
Hash128 cache_key(const Checkpoint& checkpoint, const EngineConfig& config) {
  return hash128(fmt::format("{} {} {}", checkpoint.fingerprint().to_string(), name_of(config.dtype), config.numerics));
}

bool has_scores(const StepPlan& plan) {
  return std::any_of(plan.rows.begin(), plan.rows.end(),
                     [](const PlanRow& row) { return row.score_begin != row.score_end; });
}

void describe(HostSpan& span, const StepPlan& plan) {
  span.set("number,tokens,rows",
           {static_cast<int64_t>(plan.number), plan.num_tokens(), static_cast<int64_t>(plan.rows.size())});
}

bool contains(const std::vector<SequenceId>& sequences, SequenceId sequence) {
  return std::find(sequences.begin(), sequences.end(), sequence) != sequences.end();
}

std::span<float> row_of(std::span<float> rows, int64_t row, int64_t columns) {
  return rows.subspan(static_cast<size_t>(row * columns), static_cast<size_t>(columns));
}

}  // namespace

Engine::Engine(const OpContext& context, const Checkpoint& checkpoint, const Topology& topology, Communicator& group,
               const EngineConfig& config)
    : context_(context),
      config_(config),
      group_(group),
      channel_(group),
      decoder_(context, checkpoint, shard_of(checkpoint.config(), topology.tp(), topology.tp_rank()), group,
               config.dtype, config.most_forward_tokens(),
               std::max(config.max_sequence, calibration_tokens(checkpoint.config()))),
      batch_(context.device, config.batch_limits(), config.page_shape()),
      vocab_size_(checkpoint.config().vocab_size),
      model_(checkpoint.config()),
      gather_(group, vocab_size_),
      sampler_(context_, group, vocab_size_, config.batch_limits().rows, topology.is_leader() ? &states_ : nullptr) {
  model_key_ = cache_key(checkpoint, config);
  if (context.device.kind == DeviceKind::kCuda) {
    decoder_.reserve_logits(std::max(config.batch_limits().rows, static_cast<int64_t>(kMostScoreRows)));
  }
  is_leader_ = topology.is_leader();
  ranks_of_kv_head_ = std::max(topology.tp() / static_cast<int32_t>(model_.num_kv_heads), 1);
  make_cache({});
}

SequenceId Engine::add(std::vector<TokenId> prompt, int64_t max_new_tokens, const SamplingParams& sampling) {
  check(sampling);
  SamplingState state{sampling, {}, {}};
  if (sampling.has_penalties()) state.history = SampleHistory(prompt);
  if (sampling.prompt_logprobs) state.prompt = prompt;
  const SequenceId id = planner_->add({.prompt = std::move(prompt),
                                       .max_new_tokens = max_new_tokens,
                                       .needs_full_logits = !sampling.is_plain_argmax(),
                                       .scores_prompt = sampling.prompt_logprobs.has_value()});
  states_.emplace(id, std::move(state));
  return id;
}

SequenceId Engine::add_forced(std::vector<TokenId> prompt, std::vector<TokenId> tokens) {
  LS_CHECK(!tokens.empty(), "no token is forced");
  const auto begin = static_cast<int64_t>(prompt.size()), count = static_cast<int64_t>(tokens.size());
  const SequenceId id =
      planner_->add({.prompt = std::move(prompt), .max_new_tokens = count, .needs_full_logits = true});
  states_.emplace(id, SamplingState{{}, {}, {}, std::move(tokens), begin});
  return id;
}

void Engine::check(const SamplingParams& sampling) const {
  for (const LogitBias& one : sampling.logit_bias) {
    LS_REQUIRE(ConfigError, one.token.value() >= 0 && one.token.value() < vocab_size_,
               "logit_bias names token {}; the model's vocabulary has ids 0 to {}", one.token.value(), vocab_size_ - 1);
  }
  for (const std::optional<int32_t>& count : {sampling.logprobs, sampling.prompt_logprobs}) {
    LS_REQUIRE(ConfigError, !count || *count >= 0,
               "log-probabilities of the {} likeliest tokens; at least 0 are possible", *count);
  }
}

SequenceReport Engine::finish(SequenceId sequence) {
  states_.erase(sequence);
  return planner_->finish(sequence);
}

std::span<const SampledToken> Engine::step() {
  const auto start = std::chrono::steady_clock::now();
  HostSpan span(context_.tracer, "step");
  if (!in_flight_) {
    report_transfers();
    in_flight_ =
        publish(timed(times_.plan, [&] { return traced(context_.tracer, "plan", [&] { return planner_->plan(); }); }));
  }
  const StepPlan plan = std::move(*in_flight_);
  prompt_scores_ = std::exchange(scores_in_flight_, {});  // before the next plan brings its own
  describe(span, plan);
  if (plan.rows.empty()) {  // everybody waits for the disk
    in_flight_.reset();
    planner_->commit(plan, {}, failed_pages_);
    times_.disk += seconds_since(start);
    return {};
  }
  const bool is_ahead = config_.plan_ahead && sampler_.is_on_device(plan) && !has_scores(plan) && !plan.confirms;
  const std::vector<PageId> failed = failed_pages_;
  in_flight_ = is_ahead ? run_ahead_of(plan) : std::nullopt;

  // Rows on a page that did not arrive are void: nobody hears of them.
  std::vector<SequenceId> unheard;
  for (const size_t row : Planner::void_rows(plan, failed)) unheard.push_back(plan.rows[row].sequence);
  const std::span<const SampledToken> sampled = timed(times_.wait, [&] { return sampler_.finish(plan, unheard); });
  std::erase_if(prompt_scores_, [&](const PromptScores& scores) { return contains(unheard, scores.sequence); });
  const TimeInto plan_time(times_.plan);
  std::vector<TokenId> tokens;
  size_t next = 0;
  for (const PlanRow& row : plan.rows) {
    if (!row.wants_logits) continue;
    // A row without a token, as one whose sequence ends next, counts as any.
    tokens.push_back(contains(unheard, row.sequence) ? TokenId(0) : sampled[next++].token.value_or(TokenId(0)));
  }
  traced(context_.tracer, "commit",
         [&] { is_ahead ? planner_->resolve(plan, tokens) : planner_->commit(plan, tokens, failed); });
  count_time(plan, seconds_since(start));
  return sampled;
}

// What can be planned without the tokens of `plan` is on its way before they are waited for.
std::optional<StepPlan> Engine::run_ahead_of(const StepPlan& plan) {
  std::optional<StepPlan> next = timed(times_.plan, [&] {
    report_transfers();
    return traced(context_.tracer, "plan", [&] {
      planner_->commit_ahead(plan);
      return planner_->plan_ahead();
    });
  });
  if (next) next = publish(std::move(*next));
  return next;
}

StepPlan Engine::publish(StepPlan plan) {
  timed(times_.publish, [&] { traced(context_.tracer, "publish", [&] { channel_.exchange(&plan); }); });
  run(plan);
  return plan;
}

void Engine::count_time(const StepPlan& plan, double seconds) {
  bool has_prompt = false, has_single = false;
  for (const PlanRow& row : plan.rows) (row.tokens.size() > 1 ? has_prompt : has_single) = true;
  ++times_.steps;
  (has_prompt && has_single ? times_.mixed : has_prompt ? times_.prefill : times_.decode) += seconds;
}

void Engine::stop() {
  if (in_flight_) {  // of sequences that all ended meanwhile
    const auto sampled = sampler_.finish(*in_flight_);
    planner_->commit(*in_flight_, std::vector<TokenId>(sampled.size(), TokenId(0)), failed_pages_);
    in_flight_.reset();
  }
  if (!planner_->has_work()) persist();
  const StepPlan last = planner_->last_plan();
  channel_.exchange(&last);
  end_with(last);
}

void Engine::follow(const std::function<void()>& between_steps) {
  for (;;) {
    const StepPlan plan = traced(context_.tracer, "wait for plan", [&] { return channel_.exchange(nullptr); });
    if (plan.last) return end_with(plan);
    run(plan);
    if (between_steps) between_steps();
  }
}

// What every rank does with a plan, in the same order of collectives. On CUDA it is enqueued; nothing waits but the
// scoring of prompts.
void Engine::run(const StepPlan& plan) {
  ++progress_;
  HostSpan span(context_.tracer, "run");
  describe(span, plan);
  if (context_.tracer != nullptr) context_.tracer->collect();
  follow_ops(plan);
  if (!plan.rows.empty()) compute(plan);
  if (mover_) mover_->end(plan);
  score_prompts(plan);
  confirm(plan);
  ++progress_;
}

void Engine::compute(const StepPlan& plan) {
  const TensorView logits = timed(times_.forward, [&] { return forward(plan); });
  timed(times_.sampling, [&] { sampler_.enqueue(plan, logits); });
}

TensorView Engine::forward(const StepPlan& plan) {
  const bool as_graph = config_.graphs && ForwardBatch::is_decode(plan);
  Decoder::LayerGate gate;
  if (plan.confirms && mover_ && !as_graph) gate = [this](int64_t layer) { mover_->before_layer(layer); };
  if (plan.confirms && mover_ && as_graph) mover_->before_layer(model_.num_layers - 1);
  const auto compute = [&] { return decoder_.forward(batch_, pages(), gate); };
  batch_.assign(plan, *table_, as_graph ? DecodeGraphs::padded(static_cast<int64_t>(plan.rows.size())) : 0);
  if (as_graph) batch_.bound_positions(DecodeGraphs::padded_positions(batch_.rows().max_end, config_.max_sequence));
  {
    const StreamSpan span(context_.tracer, context_.stream, "upload batch", TraceTrack::kTransfers);
    batch_.upload(context_, sampler_.tokens());
  }
  if (as_graph && !batch_.arrived().empty()) {  // no part of what is recorded
    for (int64_t layer = 0; layer < model_.num_layers; ++layer) {
      index_pages(context_, batch_.arrived(), layer, pages());
    }
    batch_.forget_arrived();
  }
  const StreamSpan span(context_.tracer, context_.stream, "forward", TraceTrack::kCompute, "tokens",
                        batch_.num_tokens());
  return as_graph ? graphs_.run(*context_.stream, batch_, compute) : compute();
}

void Engine::score_prompts(const StepPlan& plan) {
  if (!has_scores(plan)) {
    if (planner_) scores_in_flight_.clear();
    return;
  }
  const auto num_tokens = static_cast<size_t>(batch_.num_scored_tokens());
  const HostSpan span(num_tokens > 0 ? context_.tracer : nullptr, "score prompts");
  const std::vector<ScoreTask> tasks = planner_ ? prepare_scores(plan) : std::vector<ScoreTask>();
  for (size_t begin = 0; begin < num_tokens; begin += kMostScoreRows) {
    const auto num_rows = static_cast<int64_t>(std::min(kMostScoreRows, num_tokens - begin));
    const auto first_row = static_cast<int64_t>(begin);
    const std::span<float> rows =
        gather_.gather(on_host(decoder_.logits(batch_.scored_tokens(first_row, first_row + num_rows))), num_rows);
    if (!planner_) continue;
    context_.threads->parallel_for(num_rows, 1, [&](int64_t first, int64_t end) {
      for (int64_t i = first; i < end; ++i) {
        const ScoreTask& task = tasks[begin + static_cast<size_t>(i)];
        *task.score = score_token(row_of(rows, i, vocab_size_), task.token, task.num_top);
      }
    });
  }
}

// A contiguous F32 tensor as host memory; valid until the next call.
std::span<const float> Engine::on_host(TensorView values) {
  const auto count = static_cast<size_t>(values.shape().num_elements());
  if (context_.device.kind == DeviceKind::kCpu) return {values.as<float>(), count};
  const auto bytes = static_cast<int64_t>(count * sizeof(float));
  if (score_logits_.bytes() < bytes) score_logits_ = PinnedBuffer(bytes, context_.device);
  copy_async(*context_.stream, score_logits_.data(), values.data(), bytes);
  context_.stream->synchronize();
  return {score_logits_.as<float>(), count};
}

// Sets out scores_in_flight_ and lists its places in the order of the batch's scored tokens.
std::vector<Engine::ScoreTask> Engine::prepare_scores(const StepPlan& plan) {
  scores_in_flight_.clear();
  std::vector<ScoreTask> tasks;
  for (const PlanRow& row : plan.rows) {
    if (row.score_begin == row.score_end) continue;
    const SamplingState& state = states_.at(row.sequence);
    PromptScores& result = scores_in_flight_.emplace_back(row.sequence, row.score_begin + 1);
    result.scores.resize(static_cast<size_t>(row.score_end - row.score_begin));
    for (size_t i = 0; i < result.scores.size(); ++i) {
      const TokenId token = state.prompt[static_cast<size_t>(result.first_position) + i];
      tasks.push_back({&result.scores[i], token, *state.params.prompt_logprobs});
    }
  }
  return tasks;
}

}  // namespace lockstep
