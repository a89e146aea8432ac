// What one row of a batch job asks for, and what comes back. Plain data, no files and no ranks.
//
// request_parser.h makes a Request from a line; the generation loop turns it into a Result; result_format.h makes the
// output line; journal.h keeps that line safe. A row has prompts x n choices, numbered prompt by prompt.
#pragma once

#include "core/ids.h"
#include "core/sampling_params.h"
#include "core/token_score.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace lockstep {

struct ChatTemplateInput;

/// The form of a row's answer: "text_completion" or "chat.completion".
enum class Endpoint : uint8_t { kCompletions, kChatCompletions };

/// UTF-8 text, which may be empty, or token ids that are used as they are.
using Prompt = std::variant<std::string, std::vector<TokenId>>;

struct Request {
  /// Row of the requests file, from 0; blank lines have no row.
  int64_t index = 0;
  std::string custom_id;
  /// Echoed in the result; "" where the row names none.
  std::string model;
  Endpoint endpoint = Endpoint::kCompletions;
  /// At least one; of a chat row none, until its conversation is rendered.
  std::vector<Prompt> prompts;
  /// Of a chat row only.
  std::shared_ptr<const ChatTemplateInput> chat;
  /// Put the tokenizer's special tokens around text. Chat templates write their own.
  bool add_special_tokens = true;
  /// Answers to each prompt.
  int32_t n = 1;
  /// Nothing: as many as the model's longest sequence leaves room for. 0 only computes the prompt (for its scores).
  std::optional<int64_t> max_tokens = 16;
  /// Of the row's first choice; the others draw with choice_seed().
  SamplingParams sampling;
  /// Generation ends before the first of these appears in the text. At most 16, none empty.
  std::vector<std::string> stop;
  /// Generation ends at these tokens as at end-of-sequence tokens; they add no text.
  std::vector<TokenId> stop_token_ids;
  /// Goes on past end-of-sequence tokens: the answer has exactly max_tokens tokens unless something else ends it.
  bool ignore_eos = false;
  /// The prompt's text, and its scores if any, come before the answer's.
  bool echo = false;
  /// prompt_logprobs was asked for, beside or without echo: scores of the prompt stand in a list of their own.
  bool lists_prompt_scores = false;
  /// The result lists the generated token ids beside the text.
  bool return_token_ids = false;
  /// Fields that were not understood and passed over (--lenient), each once.
  std::vector<std::string> ignored_fields;

  int64_t num_choices() const { return static_cast<int64_t>(prompts.size()) * n; }
};

/// The seed of a row's choice: the row's own for the first, unrelated ones for the others.
uint64_t choice_seed(uint64_t row_seed, int64_t choice);

/// kStop: an end-of-sequence token, a stop token or a stop string. kLength: max_tokens or the longest sequence.
enum class FinishReason : uint8_t { kStop, kLength };

/// "stop" or "length", as in the OpenAI formats.
std::string_view name_of(FinishReason reason);

/// One answer to one prompt.
struct Choice {
  /// Generated tokens, an ending end-of-sequence token or the tokens of a stop string included.
  std::vector<TokenId> token_ids;
  /// Valid UTF-8, without the stop string.
  std::string text;
  FinishReason finish_reason = FinishReason::kLength;
  /// Of token_ids, if logprobs were asked for.
  std::vector<TokenScore> scores;
};

/// A prompt as it was computed.
struct PromptResult {
  std::vector<TokenId> token_ids;
  /// Of the tokens from the second on, if asked for.
  std::vector<TokenScore> scores;
};

struct Result {
  std::vector<PromptResult> prompts;
  /// prompts x n.
  std::vector<Choice> choices;
  /// Tokens of the prompts that came from the cache, for the first choice of each: depends on what ran before, so it is
  /// printed on demand only.
  int64_t cached_tokens = 0;

  int64_t num_prompt_tokens() const;
  int64_t num_generated_tokens() const;
};

/// Why a row has no answer. `code` is short and stable, for programs; docs/batch-files.md lists them.
struct RowError {
  int64_t index = 0;
  std::string custom_id;
  std::string code;
  /// For people.
  std::string message;
};

}  // namespace lockstep
