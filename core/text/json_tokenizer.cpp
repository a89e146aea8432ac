#include "core/text/json_tokenizer.h"

#include "core/checkpoint/file_mapping.h"
#include "core/text/chained_decode_stream.h"
#include "core/text/tokenizer_config.h"
#include "core/text/utf8.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace lockstep {

JsonTokenizer::JsonTokenizer(const JsonObject& file)
    : normalizer_(file.has("normalizer") ? read_normalizer(file.object("normalizer")) : nullptr),
      pre_tokenizer_(file.has("pre_tokenizer") ? read_pre_tokenizer(file.object("pre_tokenizer")) : nullptr),
      model_(BpeModel::read(file.object("model"))),
      added_(AddedTokens::read(file, model_, normalizer_.get())) {
  // truncation and padding belong to training batches: a job's own limits apply here.
  file.allow_only({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor",
                   "decoder", "model"});
  if (file.has("post_processor")) post_processor_ = PostProcessor::read(file.object("post_processor"));
  const std::optional<JsonObject> decoder = file.has("decoder") ? std::optional(file.object("decoder")) : std::nullopt;
  decoder_ = Decoder::read(decoder ? &*decoder : nullptr);
}

std::unique_ptr<JsonTokenizer> JsonTokenizer::load(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / "tokenizer.json";
  const FileMapping file(path);
  const nlohmann::json json = parse_json_object(file.text(), path.string());
  std::unique_ptr<JsonTokenizer> tokenizer(new JsonTokenizer(JsonObject(json, path.string())));
  tokenizer->fingerprint_ = hash128(file.bytes());
  const TokenizerConfig config = read_tokenizer_config(directory, tokenizer->fingerprint_);
  if (config.bos_token) tokenizer->bos_ = tokenizer->token_to_id(*config.bos_token);
  if (config.eos_token) tokenizer->eos_ = tokenizer->token_to_id(*config.eos_token);
  return tokenizer;
}

std::vector<TokenId> JsonTokenizer::encode(std::string_view utf8, bool add_special_tokens) const {
  const std::optional<std::string> repaired = replace_invalid_utf8(utf8);
  const std::string_view text = repaired ? *repaired : utf8;
  const ScratchPool::Lease scratch = scratch_pool_.borrow();
  std::vector<TokenId> ids;
  ids.reserve(text.size() / 4 + 8);
  for (const TextPiece& piece : added_.split(text, /*normalized=*/false)) {
    if (piece.token) {
      ids.push_back(*piece.token);
    } else {
      encode_piece(std::string(text.substr(piece.begin, piece.end - piece.begin)), piece.begin == 0, *scratch, ids);
    }
  }
  return add_special_tokens ? post_processor_.apply(std::move(ids)) : ids;
}

void JsonTokenizer::encode_piece(std::string piece, bool starts_input, BpeScratch& scratch,
                                 std::vector<TokenId>& ids) const {
  if (normalizer_) normalizer_->apply(piece);
  if (!added_.any_normalized()) return encode_words(std::move(piece), starts_input, scratch, ids);
  for (const TextPiece& part : added_.split(piece, /*normalized=*/true)) {
    if (part.token) {
      ids.push_back(*part.token);
    } else {
      encode_words(piece.substr(part.begin, part.end - part.begin), starts_input && part.begin == 0, scratch, ids);
    }
  }
}

void JsonTokenizer::encode_words(std::string text, bool starts_input, BpeScratch& scratch,
                                 std::vector<TokenId>& ids) const {
  if (text.empty()) return;
  const std::size_t length = text.size();
  Words words{std::move(text), {{0, length, starts_input}}};
  if (pre_tokenizer_) pre_tokenizer_->apply(words);
  const std::string_view all = words.text;
  for (const WordRange& word : words.ranges) model_.encode(all.substr(word.begin, word.end - word.begin), scratch, ids);
}

std::unique_ptr<DecodeStream> JsonTokenizer::decode_stream(bool skip_special_tokens) const {
  const auto spelling = [this, skip_special_tokens](TokenId id) -> std::optional<std::string> {
    if (skip_special_tokens && is_special(id)) return std::nullopt;
    const AddedToken* added = added_.find(id);
    return added ? added->searched : id_to_token(id);
  };
  return std::make_unique<ChainedDecodeStream>(spelling, decoder_.make_steps());
}

int64_t JsonTokenizer::vocab_size() const {
  return std::max(static_cast<int64_t>(model_.tokens().size()), added_.highest_id() + 1);
}

std::optional<TokenId> JsonTokenizer::token_to_id(std::string_view token) const {
  const std::optional<TokenId> added = added_.find(token);
  return added ? added : model_.find(token);
}

std::optional<std::string> JsonTokenizer::id_to_token(TokenId id) const {
  if (const AddedToken* added = added_.find(id)) return added->content;
  const auto index = static_cast<std::size_t>(id.value());
  if (id.value() < 0 || index >= model_.tokens().size()) return std::nullopt;
  return model_.tokens()[index];
}

bool JsonTokenizer::is_special(TokenId id) const {
  const AddedToken* added = added_.find(id);
  return added && added->special;
}

}  // namespace lockstep
