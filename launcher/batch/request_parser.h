// Reads one line of a requests file: a short row {"prompt": …} or an OpenAI batch row {"custom_id", "method", "url",
// "body"}. Every key is checked for name, type and range; docs/batch-files.md lists them.
#pragma once

#include "launcher/batch/request.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace lockstep {

/// Where a row stands, for messages and defaults.
struct RowPosition {
  std::string file;
  /// From 1; blank lines count.
  int64_t line = 1;
  /// From 0; blank lines do not count.
  int64_t index = 0;
};

/// The sampling seed of row `index` where the row gives none: job seed and row mixed, so that rows with equal prompts
/// draw differently, and a row draws the same in every run.
uint64_t default_row_seed(uint64_t job_seed, int64_t index);

/// The request that `json_line` (UTF-8, without line end) asks for. Thread-safe.
/// Throws: FormatError for text that is not one JSON object in valid UTF-8, or that repeats a key; ConfigError for a
///         key that is unknown, missing, unsupported or out of range. Messages start with "FILE:LINE: " and name the
///         key, the value seen and the values accepted.
Request parse_request(std::string_view json_line, const RowPosition& position, uint64_t job_seed = 0);

}  // namespace lockstep
