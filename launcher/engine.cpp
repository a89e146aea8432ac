#include "launcher/engine.h"

#include "core/error.h"
#include "dist/sharding.h"
#include "kernels/sample.h"

#include <chrono>
#include <cmath>
#include <cstring>
#include <utility>

namespace lockstep {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Whatever decides the bits of a key or value is part of the key of its page.
Hash128 cache_key(const Checkpoint& checkpoint, const OpContext& context, DType dtype) {
  return hash128(fmt::format("{} {} {}", checkpoint.fingerprint().to_string(), name_of(dtype), name_of(context.isa)));
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
      tp_(topology.tp()) {
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
  SamplingState state{sampling, {}};
  if (!sampling.is_plain_argmax()) state.history = prompt;
  const SequenceId id = planner_->add({.prompt = std::move(prompt),
                                       .max_new_tokens = max_new_tokens,
                                       .needs_full_logits = !sampling.is_plain_argmax()});
  states_.emplace(id, std::move(state));
  return id;
}

void Engine::finish(SequenceId sequence) {
  planner_->finish(sequence);
  states_.erase(sequence);
}

std::span<const SampledToken> Engine::step() {
  const auto start = std::chrono::steady_clock::now();
  const StepPlan plan = planner_->plan();
  channel_.exchange(&plan);
  collect(plan, execute(plan));
  sample(plan);

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
}

void Engine::follow() {
  for (;;) {
    const StepPlan plan = channel_.exchange(nullptr);
    if (plan.last) return;
    collect(plan, execute(plan));
  }
}

TensorView Engine::execute(const StepPlan& plan) {
  table_.apply(plan);
  batch_.assign(plan, table_);
  return decoder_.forward(batch_, pool_.pages());
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
  full_logits_.clear();
  if (count == 0) return;

  std::vector<int64_t> sizes;
  for (int32_t rank = 0; rank < tp_; ++rank) {
    sizes.push_back(count * even_shard(vocab_size_, tp_, Rank(rank)).size() * size_of(DType::kF32));
  }
  const bool is_leader = planner_ != nullptr;
  std::vector<float> by_rank(is_leader ? static_cast<size_t>(count * vocab_size_) : 0);
  group_.gather(bytes_of(mine), sizes, std::as_writable_bytes(std::span(by_rank)), Rank(0));
  if (!is_leader) return;
  full_logits_.resize(by_rank.size());
  const float* from = by_rank.data();
  for (int32_t rank = 0; rank < tp_; ++rank) {
    const Range shard = even_shard(vocab_size_, tp_, Rank(rank));
    for (int64_t row = 0; row < count; ++row, from += shard.size()) {
      std::memcpy(&full_logits_[static_cast<size_t>(row * vocab_size_ + shard.begin)], from,
                  static_cast<size_t>(shard.size()) * sizeof(float));
    }
  }
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
    sampled_.push_back({row.sequence, std::nullopt});
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
      const std::span logits(full_logits_.data() + i * vocab_size_, static_cast<size_t>(vocab_size_));
      auto& token = sampled_[row.result].token;
      token = sample_row(logits, row.state->history, row.state->params, row.position);
      if (token) row.state->history.push_back(*token);
    }
  });
}

}  // namespace lockstep
