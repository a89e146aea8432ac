#include "core/text/sentencepiece_tokenizer.h"

#include "core/checkpoint/file_mapping.h"
#include "core/error.h"
#include "core/text/chained_decode_stream.h"
#include "core/text/tokenizer_config.h"
#include "core/text/utf8.h"

#include <algorithm>
#include <sentencepiece_processor.h>
#include <utility>

namespace lockstep {
namespace {

std::optional<TokenId> id_if_any(int id) { return id < 0 ? std::nullopt : std::optional(TokenId(id)); }

/// Control symbols (BOS, EOS, …) and the unknown token, as added tokens.
std::vector<AddedToken> control_tokens(const sentencepiece::SentencePieceProcessor& processor) {
  std::vector<AddedToken> tokens;
  for (int id = 0; id < processor.GetPieceSize(); ++id) {
    if (!processor.IsControl(id) && !processor.IsUnknown(id)) continue;
    AddedToken token;
    token.content = processor.IdToPiece(id);
    token.id = TokenId(id);
    token.special = true;
    tokens.push_back(std::move(token));
  }
  return tokens;
}

/// True if the model puts a space in front of a text, which decoding then takes away again.
bool adds_leading_space(const sentencepiece::SentencePieceProcessor& processor) {
  std::vector<std::string> pieces;
  const auto status = processor.Encode("a", &pieces);
  return status.ok() && !pieces.empty() && pieces.front().starts_with("\xE2\x96\x81");
}

}  // namespace

SentencePieceTokenizer::SentencePieceTokenizer(std::unique_ptr<sentencepiece::SentencePieceProcessor> processor)
    : processor_(std::move(processor)), decoder_(Decoder::sentencepiece(adds_leading_space(*processor_))) {}

SentencePieceTokenizer::~SentencePieceTokenizer() = default;

std::unique_ptr<SentencePieceTokenizer> SentencePieceTokenizer::load(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / "tokenizer.model";
  const FileMapping file(path);
  auto processor = std::make_unique<sentencepiece::SentencePieceProcessor>();
  const auto status = processor->LoadFromSerializedProto(file.text());
  LS_REQUIRE(FormatError, status.ok(), "{}: not a SentencePiece model: {}", path.string(), status.ToString());
  std::unique_ptr<SentencePieceTokenizer> tokenizer(new SentencePieceTokenizer(std::move(processor)));
  tokenizer->fingerprint_ = hash128(file.bytes());
  TokenizerConfig config = read_tokenizer_config(directory, tokenizer->fingerprint_);
  tokenizer->apply(std::move(config), path.string());
  return tokenizer;
}

void SentencePieceTokenizer::apply(TokenizerConfig config, const std::string& place) {
  std::vector<AddedToken> tokens = control_tokens(*processor_);
  for (AddedToken& added : config.added_tokens) {
    const auto same = [&](const AddedToken& token) { return token.id == added.id; };
    std::erase_if(tokens, same);
    tokens.push_back(std::move(added));
  }
  added_ = AddedTokens(std::move(tokens));
  bos_ = config.bos_token ? token_to_id(*config.bos_token) : id_if_any(processor_->bos_id());
  eos_ = config.eos_token ? token_to_id(*config.eos_token) : id_if_any(processor_->eos_id());
  add_bos_ = config.add_bos_token;
  add_eos_ = config.add_eos_token;
  LS_REQUIRE(FormatError, bos_ || !add_bos_,
             "{}: BOS is to be added but the vocabulary has none; accepted: a bos_token of the "
             "vocabulary, or \"add_bos_token\": false in tokenizer_config.json",
             place);
  LS_REQUIRE(FormatError, eos_ || !add_eos_, "{}: \"add_eos_token\" is true but the vocabulary has no such token",
             place);
}

std::vector<TokenId> SentencePieceTokenizer::encode(std::string_view utf8, bool add_special_tokens) const {
  const std::optional<std::string> repaired = replace_invalid_utf8(utf8);
  const std::string_view text = repaired ? *repaired : utf8;
  std::vector<TokenId> ids;
  if (add_special_tokens && add_bos_) ids.push_back(*bos_);
  std::vector<int> piece_ids;
  for (const TextPiece& piece : added_.split(text, /*normalized=*/false)) {
    if (piece.token) {
      ids.push_back(*piece.token);
      continue;
    }
    const auto status = processor_->Encode(text.substr(piece.begin, piece.end - piece.begin), &piece_ids);
    LS_CHECK(status.ok(), "SentencePiece cannot encode {} bytes: {}", piece.end - piece.begin, status.ToString());
    for (const int id : piece_ids) ids.emplace_back(id);
  }
  if (add_special_tokens && add_eos_) ids.push_back(*eos_);
  return ids;
}

std::unique_ptr<DecodeStream> SentencePieceTokenizer::decode_stream(bool skip_special_tokens) const {
  const auto spelling = [this, skip_special_tokens](TokenId id) {
    return skip_special_tokens && is_special(id) ? std::nullopt : id_to_token(id);
  };
  return std::make_unique<ChainedDecodeStream>(spelling, decoder_.make_steps());
}

int64_t SentencePieceTokenizer::vocab_size() const {
  return std::max<int64_t>(processor_->GetPieceSize(), added_.highest_id() + 1);
}

std::optional<TokenId> SentencePieceTokenizer::token_to_id(std::string_view token) const {
  if (const std::optional<TokenId> added = added_.find(token)) return added;
  const int id = processor_->PieceToId(token);  // the unknown token's id if it is not there
  return processor_->IdToPiece(id) == token ? std::optional(TokenId(id)) : std::nullopt;
}

std::optional<std::string> SentencePieceTokenizer::id_to_token(TokenId id) const {
  if (const AddedToken* added = added_.find(id)) return added->content;
  if (id.value() < 0 || id.value() >= processor_->GetPieceSize()) return std::nullopt;
  return processor_->IdToPiece(id.value());
}

bool SentencePieceTokenizer::is_special(TokenId id) const {
  const AddedToken* added = added_.find(id);
  return added && added->special;
}

}  // namespace lockstep
