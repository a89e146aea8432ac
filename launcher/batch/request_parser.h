// Reads one line of a requests file: a short row {"prompt": …} or {"messages": …}, or an OpenAI batch row {"custom_id",
// "method", "url", "body"}. Every key is checked for name, type and range; docs/batch-files.md lists them.
#pragma once

#include "launcher/batch/request.h"
#include "launcher/batch/request_defaults.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace lockstep {

/// Where a row stands, for messages and defaults.
struct RowPosition {
  /// From 1; blank lines count.
  int64_t line = 1;
  /// From 0; blank lines do not count.
  int64_t index = 0;
};

struct ParseOptions {
  uint64_t job_seed = 0;
  RequestDefaults defaults{};
  /// Pass over fields that are unknown or unsupported, naming them in Request::ignored_fields.
  bool lenient = false;
  bool return_token_ids = false;
};

/// The sampling seed of row `index` where the row gives none: job seed and row mixed, so that rows with equal prompts
/// draw differently, and a row draws the same in every run.
uint64_t default_row_seed(uint64_t job_seed, int64_t index);

/// The request that `json_line` (UTF-8, without line end) asks for, or why it cannot be answered. Messages name line,
/// key, value seen and values accepted. Thread-safe.
std::variant<Request, RowError> parse_request(std::string_view json_line, const RowPosition& position,
                                              const ParseOptions& options = {});

}  // namespace lockstep
