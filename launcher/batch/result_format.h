// Lines of the output and errors files, in the OpenAI batch output form. They hold no time, host or process value: a
// job's lines are the same in every run.
#pragma once

#include "launcher/batch/request.h"
#include "launcher/batch/token_text.h"

#include <string>
#include <string_view>

namespace lockstep {

class ResultFormatter {
 public:
  /// `default_model` names the model of rows that name none. `reports_cached_tokens`: usage tells what came from the
  /// cache, which depends on how the job ran. The tokenizer outlives this. Not thread-safe.
  ResultFormatter(const Tokenizer& tokenizer, std::string default_model, bool reports_cached_tokens);

  /// One line, without line end.
  std::string format(const Request& request, const Result& result);

 private:
  const Tokenizer& tokenizer_;
  TokenText token_text_;
  std::string default_model_;
  bool reports_cached_tokens_;
};

/// The line of a row that has no answer, without line end.
std::string format_error(const RowError& error);

}  // namespace lockstep
