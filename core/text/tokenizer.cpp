#include "core/text/tokenizer.h"

#include "core/error.h"
#include "core/text/json_tokenizer.h"
#include "core/text/sentencepiece_tokenizer.h"

namespace lockstep {

std::string Tokenizer::decode(std::span<const TokenId> ids, bool skip_special_tokens) const {
  const std::unique_ptr<DecodeStream> stream = decode_stream(skip_special_tokens);
  std::string text;
  for (const TokenId id : ids) stream->push(id, text);
  stream->finish(text);
  return text;
}

std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& model_directory) {
  if (std::filesystem::exists(model_directory / "tokenizer.json")) return JsonTokenizer::load(model_directory);
  if (std::filesystem::exists(model_directory / "tokenizer.model"))
    return SentencePieceTokenizer::load(model_directory);
  LS_THROW(IoError, "{}: no tokenizer found; looked for tokenizer.json and tokenizer.model", model_directory.string());
}

}  // namespace lockstep
