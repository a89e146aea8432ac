#include "launcher/batch/generation_loop.h"

#include "core/error.h"

#include <algorithm>
#include <utility>

namespace lockstep {

GenerationLoop::GenerationLoop(Engine& engine, const Tokenizer& tokenizer, const ModelConfig& model, Source source,
                               Sink sink, OnStep on_step)
    : engine_(engine),
      tokenizer_(tokenizer),
      model_(model),
      source_(std::move(source)),
      sink_(std::move(sink)),
      on_step_(std::move(on_step)) {}

void GenerationLoop::run() {
  for (;;) {
    fill();
    if (!engine_.has_work()) return;
    for (const SampledToken& sampled : engine_.step()) take(sampled);
    on_step_(counts_);
  }
}

// Keeps enough sequences waiting that a finished one is replaced at once and prefixes can be shared among neighbours.
void GenerationLoop::fill() {
  const auto window = static_cast<size_t>(2 * engine_.config().max_sequences);
  while (!source_is_empty_ && answers_.size() < window) {
    std::optional<Request> request = source_();
    if (!request) {
      source_is_empty_ = true;
      return;
    }
    std::vector<TokenId> prompt = prompt_ids(tokenizer_, *request);
    const auto prompt_tokens = static_cast<int64_t>(prompt.size());
    const int64_t room = std::min(request->max_tokens, engine_.config().max_sequence - prompt_tokens);
    const SequenceId id = engine_.add(std::move(prompt), room, request->sampling);
    counts_.prompt_tokens += prompt_tokens;
    answers_.emplace(id,
                     std::make_unique<Answer>(std::move(*request), tokenizer_, model_.eos_tokens, prompt_tokens, room));
  }
}

void GenerationLoop::take(const SampledToken& sampled) {
  const auto found = answers_.find(sampled.sequence);
  Answer& answer = *found->second;
  LS_REQUIRE(Error, sampled.token.has_value(), "row '{}': the model's logits are not finite",
             answer.request().custom_id);
  ++counts_.generated_tokens;
  if (!answer.push(*sampled.token)) return;
  engine_.finish(sampled.sequence);
  sink_(answer.request(), answer.result());
  answers_.erase(found);
}

std::vector<TokenId> prompt_ids(const Tokenizer& tokenizer, const Request& request) {
  if (const auto* ids = std::get_if<std::vector<TokenId>>(&request.prompt)) return *ids;
  return tokenizer.encode(std::get<std::string>(request.prompt), /*add_special_tokens=*/true);
}

std::string check_request(const Tokenizer& tokenizer, const ModelConfig& model, int64_t max_sequence,
                          const Request& request) {
  const std::vector<TokenId> ids = prompt_ids(tokenizer, request);
  if (ids.empty()) return "the prompt is empty and the tokenizer adds no beginning-of-sequence token";
  for (const TokenId id : ids) {
    if (id.value() < 0 || id.value() >= model.vocab_size) {
      return fmt::format("the prompt holds token id {}; the model's vocabulary has ids 0 to {}", id.value(),
                         model.vocab_size - 1);
    }
  }
  if (static_cast<int64_t>(ids.size()) >= max_sequence) {
    return fmt::format("the prompt has {} tokens; with one token of answer at most {} fit (model.max_sequence = {})",
                       ids.size(), max_sequence - 1, max_sequence);
  }
  return "";
}

}  // namespace lockstep
