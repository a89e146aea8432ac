// Reads a request trace for `lockstep replay`: JSON Lines with "hash_ids", the ids of a request's blocks in order, as
// in the published Mooncake traces; or a requests file of a batch job. Line by line, with bounded memory beside the
// trace itself.
#pragma once

#include "cache/replay/request_trace.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace lockstep {

/// The accepted form of a line, for messages and help.
inline constexpr std::string_view kTraceLineForm =
    R"({"timestamp": 0, "input_length": 1024, "output_length": 20, "hash_ids": [0, 1]})";

/// Lines are objects as above: hash_ids is an array of integers from 0 to 2^63 - 1 (512 tokens a block in the published
/// traces), the other keys numbers ≥ 0 where given; keys that are not named here are passed over. Blank lines count as
/// lines only.
/// Throws: IoError; FormatError naming file, line and the accepted form; FormatError if there is no request.
RequestTrace read_block_trace(const std::filesystem::path& file);

/// Requests of a batch job in order, prompt by prompt, each as often as it has choices (n): a block is a full page of
/// `page_tokens` tokens of the prompt, as the cache has them; what is generated is not known and left out.
/// Throws: as above; FormatError for a row that a job would answer with an error; whatever reading the model's
///         configuration and tokenizer throws.
RequestTrace read_batch_trace(const std::filesystem::path& file, const std::string& model, int64_t page_tokens);

/// The first line that is not blank has a key "hash_ids".
bool is_block_trace(const std::filesystem::path& file);

}  // namespace lockstep
