// Greedy answers to the rows of a scored set, as `lockstep generate` would give them.
#pragma once

#include "core/text/chat_template.h"
#include "launcher/eval/eval_rows.h"
#include "launcher/session.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace lockstep {

struct RowAnswer {
  std::vector<TokenId> prompt, tokens;
  std::string text;
  std::string error;  // why there is no answer; "" = there is one
};

struct RowAnswers {
  std::vector<RowAnswer> rows;  // in their order
  int64_t num_tokens = 0;       // of prompts and answers
  double seconds = 0.0;
};

/// `clock`: what chat templates take for now. Ranks: leader, with others in follow().
RowAnswers answer_rows(Session& session, std::span<const EvalRow> rows, const ChatTemplate::Clock& clock);

}  // namespace lockstep
