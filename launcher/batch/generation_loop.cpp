#include "launcher/batch/generation_loop.h"

#include "launcher/batch/row_fault.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace lockstep {
namespace {

constexpr std::string_view kNotFinite = "the model's logits are not finite numbers for this row";

bool are_finite(std::span<const TokenScore> scores) {
  return std::none_of(scores.begin(), scores.end(), [](const TokenScore& score) { return std::isnan(score.logprob); });
}

// The prompt's scores are the same for all choices: the first one brings them.
SamplingParams sampling_of(const Request& request, const ModelConfig& model, int64_t choice) {
  SamplingParams sampling = request.sampling;
  sampling.seed = choice_seed(sampling.seed, choice);
  if (choice % request.n != 0) sampling.prompt_logprobs.reset();
  if (sampling.min_tokens > 0) {
    sampling.end_tokens = request.stop_token_ids;
    if (!request.ignore_eos)
      sampling.end_tokens.insert(sampling.end_tokens.end(), model.eos_tokens.begin(), model.eos_tokens.end());
  }
  return sampling;
}

}  // namespace

GenerationLoop::GenerationLoop(Engine& engine, const Tokenizer& tokenizer, const ModelConfig& model,
                               const PromptEncoder& encoder, int64_t window, Callbacks callbacks)
    : engine_(engine),
      tokenizer_(tokenizer),
      model_(model),
      encoder_(encoder),
      window_(static_cast<size_t>(std::max(window, engine.config().max_sequences))),
      callbacks_(std::move(callbacks)) {}

void GenerationLoop::run() {
  while (fill() && engine_.has_work()) {
    const auto sampled = engine_.step();
    take_prompt_scores();
    for (const SampledToken& one : sampled) take(one);
    if (!callbacks_.goes_on(counts_)) return;
  }
}

// False if the loop shall end: many rows that fail may follow each other without a step.
bool GenerationLoop::fill() {
  constexpr int64_t kRowsBetweenLooks = 256;
  for (int64_t looked = 1; !source_is_empty_ && open_.size() < window_; ++looked) {
    if (looked % kRowsBetweenLooks == 0 && !callbacks_.goes_on(counts_)) return false;
    std::optional<Request> request = callbacks_.next();
    source_is_empty_ = !request;
    if (request) start(std::move(*request));
  }
  return true;
}

void GenerationLoop::start(Request request) {
  const auto row = std::make_shared<Row>();
  row->request = std::move(request);
  try {
    for (std::vector<TokenId>& ids : encoder_.encode(row->request)) {
      counts_.prompt_tokens += static_cast<int64_t>(ids.size());
      row->result.prompts.push_back({std::move(ids), {}});
    }
    row->num_open = row->request.num_choices();
    row->result.choices.resize(static_cast<size_t>(row->num_open));
    row->sequences.resize(static_cast<size_t>(row->num_open));
    for (int64_t choice = 0; choice < row->request.num_choices(); ++choice) start_choice(row, choice);
  } catch (const RowFault& fault) {
    fail(row, fault.code(), fault.what());
  }
}

void GenerationLoop::start_choice(const std::shared_ptr<Row>& row, int64_t choice) {
  const Request& request = row->request;
  const std::vector<TokenId>& prompt = row->result.prompts[static_cast<size_t>(choice / request.n)].token_ids;
  const int64_t room = encoder_.room_for(request, static_cast<int64_t>(prompt.size()));
  try {
    const SequenceId id = engine_.add(prompt, room, sampling_of(request, model_, choice));
    row->sequences[static_cast<size_t>(choice)] = id;
    open_.emplace(id, OpenChoice{row, choice, Answer(request, tokenizer_, model_.eos_tokens, room)});
  } catch (const ConfigError& error) {  // larger than the whole cache
    throw RowFault(kContextLengthExceeded, error.what());
  }
}

void GenerationLoop::take_prompt_scores() {
  for (const PromptScores& scored : engine_.prompt_scores()) {
    const auto found = open_.find(scored.sequence);
    if (found == open_.end()) continue;  // its row failed by another prompt of this very step
    const std::shared_ptr<Row> row = found->second.row;
    if (!are_finite(scored.scores)) {
      fail(row, kLogitsNotFinite, std::string(kNotFinite));
      continue;
    }
    auto& scores = row->result.prompts[static_cast<size_t>(found->second.choice / row->request.n)].scores;
    scores.insert(scores.end(), scored.scores.begin(), scored.scores.end());
  }
}

void GenerationLoop::take(const SampledToken& sampled) {
  const auto found = open_.find(sampled.sequence);
  if (found == open_.end()) return;  // its row failed in this very step
  if (!sampled.token) {
    const std::shared_ptr<Row> row = found->second.row;
    return fail(row, kLogitsNotFinite, std::string(kNotFinite));
  }
  const bool is_answer = found->second.row->request.max_tokens != 0;
  counts_.generated_tokens += is_answer ? 1 : 0;
  if (!is_answer || found->second.answer.push(*sampled.token, sampled.score)) complete(found->second, sampled.sequence);
}

void GenerationLoop::complete(OpenChoice& open, SequenceId sequence) {
  const std::shared_ptr<Row> row = open.row;
  const auto choice = static_cast<size_t>(open.choice);
  row->result.choices[choice] = std::move(open.answer.choice());
  row->sequences[choice].reset();
  open_.erase(sequence);
  const SequenceReport report = engine_.finish(sequence);
  // The prompt of n choices counts once.
  if (choice % static_cast<size_t>(row->request.n) == 0) row->result.cached_tokens += report.cached_prompt_tokens;
  if (--row->num_open == 0) callbacks_.answered(row->request, row->result);
}

void GenerationLoop::fail(const std::shared_ptr<Row>& row, std::string_view code, const std::string& message) {
  for (const std::optional<SequenceId>& sequence : row->sequences) {
    if (!sequence) continue;
    engine_.finish(*sequence);
    open_.erase(*sequence);
  }
  callbacks_.failed({row->request.index, row->request.custom_id, std::string(code), message});
}

}  // namespace lockstep
