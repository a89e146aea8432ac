#include "launcher/commands/bench/claims_questions.h"

#include "core/error.h"
#include "core/philox.h"
#include "dist/communicator.h"
#include "launcher/batch/answer.h"
#include "launcher/batch/chat_date.h"
#include "launcher/batch/input_source.h"
#include "launcher/batch/prompt_encoder.h"

#include <algorithm>
#include <unistd.h>

namespace lockstep::bench {
namespace {

std::vector<TokenId> random_prompt(int64_t tokens, uint64_t stream, int64_t vocab_size) {
  std::vector<TokenId> prompt;
  for (int64_t i = 0; i < tokens; ++i) {
    const double u = philox_uniform(1, static_cast<uint64_t>(i), stream);
    prompt.emplace_back(static_cast<int32_t>(u * static_cast<double>(vocab_size)));
  }
  return prompt;
}

// Steps that prompts of a group take one after the other, as they are computed on a device that holds few at a time.
int64_t steps_of(std::span<const std::vector<TokenId>> group, const ClaimRun& run) {
  const int64_t page = run.engine.cache.page_tokens, chunk_limit = run.engine.schedule.prefill_chunk;
  int64_t chunk = run.engine.schedule.max_step_tokens - static_cast<int64_t>(group.size());
  if (chunk_limit > 0) chunk = std::min(chunk, chunk_limit);
  chunk = std::max(chunk / page, int64_t{1}) * page;
  int64_t steps = 0;
  for (const std::vector<TokenId>& prompt : group)
    steps += (static_cast<int64_t>(prompt.size()) + chunk - 1) / chunk + 1;
  return steps;
}

}  // namespace

void QuestionSizes::share(Communicator& world) {
  const bool is_root = world.rank().value() == 0;
  for (int64_t* size : {&at_once, &num_questions, &shortest, &longest, &new_tokens})
    *size = world.all_reduce_max(is_root ? *size : 0);
}

Questions::Questions(const ClaimRun& run) : model_(run.model) {
  if (const auto held_out = find_held_out(run.engine.model.path)) {
    read(run, *held_out);
  } else {
    for (int64_t i = 0; i < run.sizes.at_once; ++i)
      prompts_.push_back(random_prompt(run.sizes.prompt_tokens, static_cast<uint64_t>(i), run.model.vocab_size));
  }
  const auto num_read = static_cast<int64_t>(prompts_.size());
  LS_REQUIRE(ConfigError, num_read > 0, "the held-out set has no questions");
  sizes_.at_once = std::min(run.sizes.at_once, num_read);
  sizes_.num_questions = num_read / sizes_.at_once * sizes_.at_once;
  prompts_.resize(static_cast<size_t>(sizes_.num_questions));
  const auto [shortest, longest] = std::minmax_element(
      prompts_.begin(), prompts_.end(), [](const auto& a, const auto& b) { return a.size() < b.size(); });
  sizes_.shortest = static_cast<int64_t>(shortest->size());
  sizes_.longest = static_cast<int64_t>(longest->size());
  for (const EvalRow& row : rows_) sizes_.new_tokens = std::max(sizes_.new_tokens, row.request.max_tokens.value_or(0));
  // The first one of a group still generates when the last one begins to.
  const std::span<const std::vector<TokenId>> all = prompts_;
  const auto at_once = static_cast<size_t>(sizes_.at_once);
  for (size_t first = 0; first < all.size(); first += at_once)
    sizes_.new_tokens = std::max(sizes_.new_tokens, steps_of(all.subspan(first, at_once), run) + 8);
}

void Questions::read(const ClaimRun& run, const std::filesystem::path& held_out) {
  const std::filesystem::path spool =
      std::filesystem::temp_directory_path() / fmt::format("lockstep-claims-{}", ::getpid());
  rows_ = read_eval_rows(held_out, "", run.sizes.rows, spool_path(spool));
  text_.emplace(run.engine.model.path, run.model, TextOptions{});
  const PromptEncoder encoder(*text_->tokenizer, run.model, text_->chat_template ? &*text_->chat_template : nullptr,
                              run.model.max_positions, clock_of(today()));
  for (EvalRow& row : rows_) prompts_.push_back(encoder.encode(row.request).front());
}

int64_t Questions::group_tokens(int64_t first) const {
  int64_t tokens = 0;
  for (int64_t i = first; i < first + sizes_.at_once; ++i) tokens += static_cast<int64_t>(prompt(i).size());
  return tokens;
}

int64_t Questions::largest_group() const {
  int64_t largest = 0;
  for (int64_t first = 0; first < sizes_.num_questions; first += sizes_.at_once)
    if (group_tokens(first) > group_tokens(largest)) largest = first;
  return largest;
}

bool Questions::is_right(int64_t question, std::span<const TokenId> tokens) const {
  const EvalRow& row = rows_[static_cast<size_t>(question)];
  const int64_t most = std::min(row.request.max_tokens.value_or(sizes_.new_tokens), sizes_.new_tokens);
  Answer answer(row.request, *text_->tokenizer, model_.eos_tokens, most);
  for (const TokenId token : tokens)
    if (answer.push(token)) break;
  return row.answer && is_exact(answer.choice().text, *row.answer);
}

}  // namespace lockstep::bench
