// The rows of a scored set: requests with right answers and, where they are known, with the distance in tokens that an
// answer has to be fetched over.
#pragma once

#include "launcher/batch/request.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

struct EvalRow {
  Request request;  // one prompt or chat, one greedy answer
  std::optional<std::string> answer;
  std::optional<int64_t> distance;
};

/// Reads up to `most` rows (0 = all) of a requests file, plain or packed. "answer" and "distance" stand at the top of a
/// row, beside "custom_id"; `answers`, a file of {"custom_id", "answer", "distance"}, adds them to rows without; "" =
/// none. `spool` is a file name for what is unpacked. Whatever a row says of sampling is passed over: answers are
/// greedy. Throws: IoError, and FormatError naming file and line, for a row that no answer can be given to, has several
///         prompts, or has two answers; if no row has an id of `answers`.
std::vector<EvalRow> read_eval_rows(const std::filesystem::path& input, const std::string& answers, int64_t most,
                                    const std::filesystem::path& spool);

/// held_out.jsonl, .jsonl.zst or .jsonl.gz of a model directory; nothing if it has none.
std::optional<std::filesystem::path> find_held_out(const std::filesystem::path& model_directory);

/// Whether an answer is the right one, spaces and line breaks around them aside.
bool is_exact(std::string_view text, std::string_view answer);

}  // namespace lockstep
