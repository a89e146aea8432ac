#include "launcher/step_sampler.h"

#include "core/copy.h"
#include "core/error.h"
#include "core/trace.h"
#include "dist/sharding.h"
#include "kernels/fill_tokens.h"
#include "kernels/gather_rows.h"
#include "kernels/sample.h"
#include "kernels/token_score.h"

#include <algorithm>
#include <cstring>

namespace lockstep {
namespace {

/// Where the inputs of full rows lie in their area, for up to `rows` of them: settings, then indices, then sources.
struct InputLayout {
  int64_t rows;
  int64_t indices() const { return rows * static_cast<int64_t>(sizeof(RowSampling)); }
  int64_t sources() const { return indices() + rows * int64_t{4}; }
  int64_t bytes() const { return sources() + rows * int64_t{4}; }
};

void reserve(Buffer& buffer, int64_t bytes, Device device) {
  if (buffer.bytes() < bytes) buffer = Buffer(bytes, device);
}

template <class T>
std::span<T> span_of(const Buffer& buffer, int64_t count) {
  return {static_cast<T*>(buffer.data()), static_cast<size_t>(count)};
}

int64_t count_full(const StepPlan& plan) {
  return std::count_if(plan.rows.begin(), plan.rows.end(), [](const PlanRow& row) { return row.needs_full_logits; });
}

uint64_t draw_position(const PlanRow& row) { return static_cast<uint64_t>(row.first_position) + row.tokens.size(); }

std::vector<int64_t> vocab_bounds(int64_t vocab_size, int32_t ranks) {
  std::vector<int64_t> bounds{0};
  for (int32_t rank = 0; rank < ranks; ++rank) bounds.push_back(even_shard(vocab_size, ranks, Rank(rank)).end);
  return bounds;
}

}  // namespace

StepSampler::StepSampler(const OpContext& context, Communicator& group, int64_t vocab_size, int64_t max_rows,
                         SamplingStates* states)
    : context_(context),
      group_(group),
      vocab_size_(vocab_size),
      vocab_begin_(even_shard(vocab_size, group.size(), group.rank()).begin),
      max_rows_(max_rows),
      states_(states),
      slots_{Slot(group, vocab_size), Slot(group, vocab_size)},
      best_(max_rows * static_cast<int64_t>(sizeof(ArgmaxResult)), context.device),
      all_best_(group.size() * best_.bytes(), context.device),
      tokens_(max_rows * size_of(DType::kI32), context.device) {
  for (Slot& slot : slots_) {
    slot.tokens = PinnedBuffer(tokens_.bytes(), context.device);
    slot.inputs = PinnedBuffer(InputLayout{max_rows}.bytes(), context.device);
  }
  if (context.device.kind == DeviceKind::kCuda) inputs_ = Buffer(InputLayout{max_rows}.bytes(), context.device);
}

ConstTensorView StepSampler::tokens() const { return tokens_.view(DType::kI32, {num_rows_}); }

bool StepSampler::needs_host(const PlanRow& row) const {
  if (!row.needs_full_logits) return false;
  const auto found = states_->find(row.sequence);
  if (found == states_->end()) return false;  // it ended while this plan was made: nobody wants the token
  const SamplingState& state = found->second;
  return context_.device.kind == DeviceKind::kCpu || !state.forced.empty() || !can_sample_on_device(state.params);
}

bool StepSampler::is_on_device(const StepPlan& plan) const {
  return std::none_of(plan.rows.begin(), plan.rows.end(), [this](const PlanRow& row) { return needs_host(row); });
}

void StepSampler::enqueue(const StepPlan& plan, TensorView logits) {
  Slot& slot = slots_[num_enqueued_++ % slots_.size()];
  num_rows_ = std::count_if(plan.rows.begin(), plan.rows.end(), [](const PlanRow& row) { return row.wants_logits; });
  LS_CHECK(num_rows_ <= max_rows_, "{} rows are sampled; there is room for {}", num_rows_, max_rows_);
  if (states_ != nullptr) list_host_rows(plan, slot);
  const int64_t num_full = count_full(plan);
  {
    const StreamSpan span(context_.tracer, context_.stream, "sample", TraceTrack::kCompute, "rows", num_rows_);
    if (num_rows_ > num_full) choose_best(logits.slice(0, 0, num_rows_));
    if (num_full > 0) {
      const bool on_device = context_.device.kind == DeviceKind::kCuda;
      on_device ? sample_on_device(plan, logits, slot) : gather_to_leader(plan, logits, slot);
    }
  }
  if (states_ == nullptr) return;
  const StreamSpan download(context_.tracer, context_.stream, "download tokens", TraceTrack::kTransfers);
  copy_async(*context_.stream, slot.tokens.data(), tokens_.data(), num_rows_ * size_of(DType::kI32));
  slot.done.record(*context_.stream);
}

void StepSampler::list_host_rows(const StepPlan& plan, Slot& slot) const {
  slot.on_host.clear();
  size_t place = 0;
  for (const PlanRow& row : plan.rows) {
    if (!row.wants_logits) continue;
    if (needs_host(row)) slot.on_host.push_back(place);
    ++place;
  }
}

void StepSampler::choose_best(TensorView logits) {
  const auto mine = span_of<ArgmaxResult>(best_, num_rows_);
  argmax_rows(context_, logits, vocab_begin_, mine);
  std::span<const ArgmaxResult> shards = mine;
  if (group_.size() > 1) {
    // A pair of 4-byte values each: the gather moves them as they are.
    const TensorView in = best_.view(DType::kI32, {num_rows_, 2});
    const StreamSpan span(context_.tracer, context_.stream, "all-gather best", TraceTrack::kCollectives);
    group_.all_gather_on_device(context_, in, all_best_.view(DType::kI32, {group_.size(), num_rows_, 2}));
    shards = span_of<ArgmaxResult>(all_best_, group_.size() * num_rows_);
  }
  select_best(context_, shards, tokens_.view(DType::kI32, {num_rows_}));
}

void StepSampler::sample_on_device(const StepPlan& plan, TensorView logits, Slot& slot) {
  const int64_t num_full = count_full(plan);
  const InputLayout layout{max_rows_};
  slot.inputs_copied.synchronize();
  auto* const settings = slot.inputs.as<RowSampling>();
  auto* const indices = reinterpret_cast<int32_t*>(slot.inputs.as<std::byte>() + layout.indices());
  auto* const sources = reinterpret_cast<int32_t*>(slot.inputs.as<std::byte>() + layout.sources());
  int32_t row_index = 0, full_index = 0;
  for (const PlanRow& row : plan.rows) {
    if (!row.wants_logits) continue;
    sources[row_index] = row.needs_full_logits ? full_index : -1;
    if (row.needs_full_logits) {
      indices[full_index] = row_index;
      if (states_ != nullptr) {
        const SamplingParams& params = states_->at(row.sequence).params;
        settings[full_index] = {params.temperature, params.top_p,       params.min_p,
                                params.seed,        draw_position(row), params.top_k};
      }
      ++full_index;
    }
    ++row_index;
  }
  {
    const StreamSpan span(context_.tracer, context_.stream, "upload sampling", TraceTrack::kTransfers);
    copy_async(*context_.stream, inputs_.data(), slot.inputs.data(), layout.bytes());
  }
  slot.inputs_copied.record(*context_.stream);

  const TensorView rows = whole_rows(logits, inputs_.view(DType::kI32, {num_full}, layout.indices()));
  reserve(full_tokens_, num_full * size_of(DType::kI32), context_.device);
  reserve(all_tokens_, group_.size() * num_full * size_of(DType::kI32), context_.device);
  TensorView drawn = full_tokens_.view(DType::kI32, {num_full});
  if (states_ != nullptr) sample_rows(context_, rows, static_cast<const RowSampling*>(inputs_.data()), drawn);
  if (group_.size() > 1) {  // the leader's are at the front
    const StreamSpan span(context_.tracer, context_.stream, "all-gather tokens", TraceTrack::kCollectives);
    group_.all_gather_on_device(context_, drawn, all_tokens_.view(DType::kI32, {group_.size(), num_full}));
    drawn = all_tokens_.view(DType::kI32, {num_full});
  }
  const TensorView tokens = tokens_.view(DType::kI32, {num_rows_});
  fill_tokens(context_, tokens, inputs_.view(DType::kI32, {num_rows_}, layout.sources()), drawn, tokens);

  const int64_t row_bytes = vocab_size_ * size_of(DType::kF32);
  const auto host_bytes = static_cast<int64_t>(slot.on_host.size()) * row_bytes;
  if (slot.host_memory.bytes() < host_bytes) slot.host_memory = PinnedBuffer(host_bytes, context_.device);
  slot.host_rows = {slot.host_memory.as<float>(), slot.on_host.size() * static_cast<size_t>(vocab_size_)};
  if (slot.on_host.empty()) return;
  const StreamSpan span(context_.tracer, context_.stream, "download logits", TraceTrack::kTransfers);
  for (size_t i = 0; i < slot.on_host.size(); ++i) {
    const int32_t full = sources[slot.on_host[i]];
    copy_async(*context_.stream, slot.host_memory.as<std::byte>() + static_cast<int64_t>(i) * row_bytes,
               rows.slice(0, full, full + 1).data(), row_bytes);
  }
}

// The wanted rows over the whole vocabulary, on every rank.
TensorView StepSampler::whole_rows(TensorView logits, ConstTensorView indices) {
  const int64_t num_full = indices.size(0), ranks = group_.size(), columns = logits.size(1);
  const std::vector<int64_t> bounds = vocab_bounds(vocab_size_, group_.size());
  int64_t width = 0;
  for (size_t i = 0; i + 1 < bounds.size(); ++i) width = std::max(width, bounds[i + 1] - bounds[i]);
  constexpr int64_t kElement = 4;
  reserve(shard_rows_, num_full * width * kElement, context_.device);
  gather_rows(context_, logits, indices,
              TensorView::matrix(shard_rows_.data(), DType::kF32, num_full, columns, width, context_.device));
  const TensorView mine = shard_rows_.view(DType::kF32, {num_full, width});
  if (ranks == 1) return mine;
  reserve(all_rows_, ranks * num_full * width * kElement, context_.device);
  reserve(full_rows_, num_full * vocab_size_ * kElement, context_.device);
  const TensorView all = all_rows_.view(DType::kF32, {ranks, num_full, width});
  {
    const StreamSpan span(context_.tracer, context_.stream, "all-gather logits", TraceTrack::kCollectives);
    group_.all_gather_on_device(context_, mine, all);
  }
  const TensorView whole = full_rows_.view(DType::kF32, {num_full, vocab_size_});
  join_shards(context_, all, bounds, whole);
  return whole;
}

// CPU ranks: only the leader gets whole rows.
void StepSampler::gather_to_leader(const StepPlan& plan, TensorView logits, Slot& slot) {
  std::vector<float> mine;
  int64_t index = 0, count = 0;
  for (const PlanRow& row : plan.rows) {
    if (!row.wants_logits) continue;
    if (row.needs_full_logits) {
      const auto* const values = logits.slice(0, index, index + 1).as<float>();
      mine.insert(mine.end(), values, values + logits.size(1));
      ++count;
    }
    ++index;
  }
  const StreamSpan span(context_.tracer, context_.stream, "gather logits", TraceTrack::kCollectives, "rows", count);
  slot.host_rows = slot.gather.gather(mine, count);
}

std::span<const SampledToken> StepSampler::finish(const StepPlan& plan, std::span<const SequenceId> unheard) {
  LS_CHECK(num_finished_ < num_enqueued_, "plan {} was not sampled", plan.number);
  Slot& slot = slots_[num_finished_++ % slots_.size()];
  traced(context_.tracer, "wait for tokens", [&] { slot.done.synchronize(); });
  group_.throw_if_failed();  // a failed group frees the stream with worthless results
  sampled_.clear();
  const auto* next = slot.tokens.as<int32_t>();
  for (const PlanRow& row : plan.rows) {
    if (!row.wants_logits) continue;
    const int32_t token = *next++;
    const bool is_void = token < 0 || !states_->contains(row.sequence);
    sampled_.push_back({row.sequence, is_void ? std::nullopt : std::optional(TokenId(token)), std::nullopt});
  }
  sample_on_host(plan, slot, unheard);
  std::erase_if(sampled_, [&](const SampledToken& one) {
    return std::find(unheard.begin(), unheard.end(), one.sequence) != unheard.end();
  });
  return sampled_;
}

void StepSampler::sample_on_host(const StepPlan& plan, Slot& slot, std::span<const SequenceId> unheard) {
  struct HostRow {
    SampledToken* result;
    SamplingState* state;
    uint64_t position;
    std::span<float> logits;
  };
  std::vector<HostRow> rows;
  const auto width = static_cast<size_t>(vocab_size_);
  size_t result = 0, place = 0;
  for (const PlanRow& row : plan.rows) {
    if (!row.wants_logits) continue;
    SampledToken& sampled = sampled_[result++];
    if (place == slot.on_host.size() || slot.on_host[place] != result - 1) continue;
    const std::span<float> logits = slot.host_rows.subspan(place++ * width, width);
    if (std::find(unheard.begin(), unheard.end(), row.sequence) != unheard.end()) continue;
    const auto state = states_->find(row.sequence);
    if (state != states_->end()) rows.push_back({&sampled, &state->second, draw_position(row), logits});
  }
  const HostSpan span(rows.empty() ? nullptr : context_.tracer, "sample on host");
  for (const HostRow& row : rows) {
    if (observer_ && !row.state->forced.empty())
      observer_(row.result->sequence, static_cast<int64_t>(row.position), row.logits);
  }
  context_.threads->parallel_for(static_cast<int64_t>(rows.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const HostRow& row = rows[static_cast<size_t>(i)];
      const SamplingParams& params = row.state->params;
      std::vector<float> raw;  // sampling overwrites the row
      if (params.logprobs) raw.assign(row.logits.begin(), row.logits.end());
      row.result->token = sample_row(row.logits, row.state->history, params, row.position);
      if (!row.result->token) continue;
      const auto forced = row.position - static_cast<uint64_t>(row.state->forced_begin);
      if (forced < row.state->forced.size()) row.result->token = row.state->forced[forced];
      row.state->history.add_generated(*row.result->token);
      if (params.logprobs) row.result->score = score_token(raw, *row.result->token, *params.logprobs);
    }
  });
}

}  // namespace lockstep
