// What tokenizer_config.json says beside tokenizer.json or tokenizer.model: names of BOS and EOS, and for
// SentencePiece vocabularies what to put around a text and which tokens were added.
#pragma once

#include "core/hash.h"
#include "core/text/added_tokens.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace lockstep {

struct TokenizerConfig {
  std::optional<std::string> bos_token, eos_token;
  bool add_bos_token = true;   // read for tokenizer.model only, as tokenizer.json has its own template;
  bool add_eos_token = false;  // the defaults are Llama's
  /// `added_tokens_decoder`, in order of ids.
  std::vector<AddedToken> added_tokens;
};

/// Reads `directory`/tokenizer_config.json; defaults if there is none. `fingerprint` is chained with its bytes.
/// Throws IoError, FormatError.
TokenizerConfig read_tokenizer_config(const std::filesystem::path& directory, Hash128& fingerprint);

}  // namespace lockstep
