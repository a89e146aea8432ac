// What one row of a batch job asks for, and what comes back. Plain data, no files and no ranks.
//
// request_parser.h makes a Request from a line; the engine turns it into a Result; result_format.h makes the output
// line; journal.h keeps that line safe.
#pragma once

#include "core/ids.h"
#include "core/sampling_params.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace lockstep {

struct Request {
  /// Row of the requests file, from 0; blank lines have no row.
  int64_t index = 0;
  std::string custom_id;
  /// Echoed in the result; "" where the row names none.
  std::string model;
  /// UTF-8 text, or token ids that are used as they are. Never empty ids; text may be empty.
  std::variant<std::string, std::vector<TokenId>> prompt;
  int64_t max_tokens = 16;
  SamplingParams sampling;
  /// Generation ends before the first of these appears in the text. At most 16, none empty.
  std::vector<std::string> stop;
  /// Goes on past end-of-sequence tokens: the answer has exactly max_tokens tokens unless a stop string ends it.
  bool ignore_eos = false;
  /// The result line lists the generated token ids beside the text.
  bool return_token_ids = false;
};

/// kStop: an end-of-sequence token or a stop string. kLength: max_tokens or the longest sequence was reached.
enum class FinishReason : uint8_t { kStop, kLength };

/// "stop" or "length", as in the OpenAI completions format.
std::string_view name_of(FinishReason reason);

struct Result {
  /// Of the Request.
  int64_t index = 0;
  std::string custom_id;
  /// Generated tokens, an ending end-of-sequence token or the tokens of a stop string included.
  std::vector<TokenId> token_ids;
  /// Valid UTF-8, without the stop string.
  std::string text;
  FinishReason finish_reason = FinishReason::kLength;
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;
};

/// A row that could not be answered although it was well-formed.
struct RowError {
  int64_t index = 0;
  std::string custom_id;
  /// Short and stable, for programs: "prompt_too_long", …
  std::string code;
  /// For people.
  std::string message;
};

}  // namespace lockstep
