// What holds for rows that do not say: the API's own defaults, and the checkpoint's generation_config.json over them.
#pragma once

#include "core/sampling_params.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace lockstep {

struct RequestDefaults {
  SamplingParams sampling;  // seed unused
  /// max_new_tokens of the file; nothing: 16 for completions, the rest of the longest sequence for chats.
  std::optional<int64_t> max_tokens;

  /// One line that tells every value, for logs and for the manifest: equal defaults, equal text.
  std::string to_string() const;
};

/// The defaults of a model directory. A file without `do_sample: true` leaves decoding greedy, whatever temperature it
/// names: so does Hugging Face. No file: the API's own. Throws FormatError naming file, key and accepted values.
RequestDefaults read_request_defaults(const std::filesystem::path& model_directory);

}  // namespace lockstep
