#include "launcher/engine.h"

#include "core/error.h"
#include "dist/sharding.h"
#include "kernels/sample.h"
#include "kernels/token_score.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

namespace lockstep {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Rows of logits that scoring prompts holds at a time: enough to keep the product busy, few enough that a vocabulary of
// 150,000 takes 40 MB and not a gigabyte.
constexpr size_t kMostScoreRows = 64;

// Whatever decides the bits of a key or value is part of the key of its page.
Hash128 cache_key(const Checkpoint& checkpoint, const OpContext& context, DType dtype) {
  return hash128(fmt::format("{} {} {}", checkpoint.fingerprint().to_string(), name_of(dtype), name_of(context.isa)));
}

std::span<float> row_of(std::span<float> rows, int64_t row, int64_t columns) {
  return rows.subspan(static_cast<size_t>(row * columns), static_cast<size_t>(columns));
}

template <class T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

}  // namespace

Engine::Engine(const OpContext& context, const Checkpoint& checkpoint, const Topology& topology, Communicator& group,
               const EngineConfig& config)
    : context_(context),
      config_(config),
      group_(group),
      channel_(group),
      table_(config.num_slots),
      decoder_(context, checkpoint, shard_of(checkpoint.config(), topology.tp(), topology.tp_rank()), group,
               config.dtype, config.max_step_tokens, config.max_sequence),
      pool_(decoder_.kv_layout(config.page_tokens), config.num_slots, context.device),
      vocab_size_(checkpoint.config().vocab_size),
      vocab_begin_(even_shard(vocab_size_, topology.tp(), topology.tp_rank()).begin),
      tp_(topology.tp()),
      model_(checkpoint.config()),
      gather_(group, vocab_size_) {
  if (!topology.is_leader()) return;
  planner_ = std::make_unique<Planner>(PlannerConfig{.num_slots = config.num_slots,
                                                     .page_tokens = config.page_tokens,
                                                     .max_step_tokens = config.max_step_tokens,
                                                     .max_sequences = config.max_sequences,
                                                     .prefill_chunk = config.prefill_chunk,
                                                     .share_prefixes = config.share_prefixes,
                                                     .cache_key = cache_key(checkpoint, context, config.dtype)});
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
  const StepPlan plan = planner_->plan();
  channel_.exchange(&plan);
  run(plan);

  std::vector<TokenId> tokens;
  bool has_prompt = false, has_single = false;
  for (const PlanRow& row : plan.rows) (row.tokens.size() > 1 ? has_prompt : has_single) = true;
  for (const SampledToken& one : sampled_)
    tokens.push_back(one.token.value_or(TokenId(0)));  // a void row is finished next
  planner_->commit(plan, tokens);
  ++times_.steps;
  (has_prompt && has_single ? times_.mixed : has_prompt ? times_.prefill : times_.decode) += seconds_since(start);
  return sampled_;
}

void Engine::stop() {
  const StepPlan last = planner_->last_plan();
  channel_.exchange(&last);
  table_.apply(last);
}

void Engine::follow(const std::function<void()>& between_steps) {
  for (;;) {
    const StepPlan plan = channel_.exchange(nullptr);
    if (plan.last) return table_.apply(plan);
    run(plan);
    if (between_steps) between_steps();
  }
}

// What every rank does with a plan, in the same order of collectives.
void Engine::run(const StepPlan& plan) {
  ++progress_;
  table_.apply(plan);
  batch_.assign(plan, table_);
  collect(plan, decoder_.forward(batch_, pool_.pages()));
  if (planner_) sample(plan);
  score_prompts(plan);
  ++progress_;
}

// Brings to the leader what sampling needs. Which rows need what stands in the plan, so all ranks take the same way.
void Engine::collect(const StepPlan& plan, TensorView logits) {
  collect_best(plan, logits);
  collect_full(plan, logits);
}

void Engine::collect_best(const StepPlan& plan, TensorView logits) {
  std::vector<ArgmaxResult> mine;
  int64_t index = 0;
  for (const PlanRow& row : plan.rows) {
    if (!row.wants_logits) continue;
    if (!row.needs_full_logits) {
      argmax_rows(context_, logits.slice(0, index, index + 1), vocab_begin_, std::span(&mine.emplace_back(), 1));
    }
    ++index;
  }
  best_tokens_.clear();
  if (mine.empty()) return;
  const bool is_leader = planner_ != nullptr;
  const std::vector<int64_t> sizes(static_cast<size_t>(tp_), static_cast<int64_t>(bytes_of(mine).size()));
  std::vector<ArgmaxResult> all(is_leader ? mine.size() * static_cast<size_t>(tp_) : 0);
  group_.gather(bytes_of(mine), sizes, std::as_writable_bytes(std::span(all)), Rank(0));
  if (!is_leader) return;
  for (size_t row = 0; row < mine.size(); ++row) {
    ArgmaxResult best = all[row];
    for (size_t rank = 1; rank < static_cast<size_t>(tp_); ++rank)
      best = better_of(best, all[rank * mine.size() + row]);
    best_tokens_.push_back(std::isfinite(best.value) ? std::optional(best.token) : std::nullopt);
  }
}

void Engine::collect_full(const StepPlan& plan, TensorView logits) {
  const int64_t columns = logits.size(1);
  std::vector<float> mine;
  int64_t index = 0, count = 0;
  for (const PlanRow& row : plan.rows) {
    if (!row.wants_logits) continue;
    if (row.needs_full_logits) {
      const auto* const values = logits.slice(0, index, index + 1).as<float>();
      mine.insert(mine.end(), values, values + columns);
      ++count;
    }
    ++index;
  }
  full_logits_ = {};
  if (count > 0) full_logits_ = gather_.gather(mine, count);
}

void Engine::sample(const StepPlan& plan) {
  struct FullRow {
    size_t result;
    SamplingState* state;
    uint64_t position;
  };
  std::vector<FullRow> full_rows;
  sampled_.clear();
  size_t next_best = 0;
  for (const PlanRow& row : plan.rows) {
    if (!row.wants_logits) continue;
    sampled_.push_back({row.sequence, std::nullopt, std::nullopt});
    if (!row.needs_full_logits) {
      sampled_.back().token = best_tokens_[next_best++];
    } else {
      const auto position = static_cast<uint64_t>(row.first_position) + row.tokens.size();
      full_rows.push_back({sampled_.size() - 1, &states_.at(row.sequence), position});
    }
  }
  context_.threads->parallel_for(static_cast<int64_t>(full_rows.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const FullRow& row = full_rows[static_cast<size_t>(i)];
      const auto logits = row_of(full_logits_, i, vocab_size_);
      const std::optional<int32_t> logprobs = row.state->params.logprobs;
      std::vector<float> raw;  // sampling overwrites the row
      if (logprobs) raw.assign(logits.begin(), logits.end());
      SampledToken& result = sampled_[row.result];
      result.token = sample_row(logits, row.state->history, row.state->params, row.position);
      if (!result.token) continue;
      row.state->history.add_generated(*result.token);
      if (logprobs) result.score = score_token(raw, *result.token, *logprobs);
    }
  });
}

void Engine::score_prompts(const StepPlan& plan) {
  const std::span<const int32_t> tokens = batch_.scored_tokens();
  const std::vector<ScoreTask> tasks = planner_ ? prepare_scores(plan) : std::vector<ScoreTask>();
  for (size_t begin = 0; begin < tokens.size(); begin += kMostScoreRows) {
    const auto slice = tokens.subspan(begin, std::min(kMostScoreRows, tokens.size() - begin));
    const TensorView shard = decoder_.logits(slice);
    const auto num_rows = static_cast<int64_t>(slice.size());
    const std::span<float> rows =
        gather_.gather({shard.as<float>(), static_cast<size_t>(num_rows * shard.size(1))}, num_rows);
    if (!planner_) continue;
    context_.threads->parallel_for(num_rows, 1, [&](int64_t first, int64_t end) {
      for (int64_t i = first; i < end; ++i) {
        const ScoreTask& task = tasks[begin + static_cast<size_t>(i)];
        *task.score = score_token(row_of(rows, i, vocab_size_), task.token, task.num_top);
      }
    });
  }
}

// Sets out prompt_scores_ and lists its places in the order of the batch's scored tokens.
std::vector<Engine::ScoreTask> Engine::prepare_scores(const StepPlan& plan) {
  prompt_scores_.clear();
  std::vector<ScoreTask> tasks;
  for (const PlanRow& row : plan.rows) {
    if (row.score_begin == row.score_end) continue;
    const SamplingState& state = states_.at(row.sequence);
    PromptScores& result = prompt_scores_.emplace_back(row.sequence, row.score_begin + 1);
    result.scores.resize(static_cast<size_t>(row.score_end - row.score_begin));
    for (size_t i = 0; i < result.scores.size(); ++i) {
      const TokenId token = state.prompt[static_cast<size_t>(result.first_position) + i];
      tasks.push_back({&result.scores[i], token, *state.params.prompt_logprobs});
    }
  }
  return tasks;
}

}  // namespace lockstep
