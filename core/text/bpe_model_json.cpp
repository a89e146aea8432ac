#include "core/error.h"
#include "core/text/bpe_model.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace lockstep {
namespace {

constexpr int64_t kMaxId = (int64_t{1} << 24) - 1;  // keeps a corrupt id from sizing a table; vocabularies reach 2^18

/// The two sides of a merge, written "a b" or ["a", "b"].
std::optional<std::pair<std::string, std::string>> sides_of(const nlohmann::json& merge) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string())
    return std::pair(merge[0].get<std::string>(), merge[1].get<std::string>());
  if (!merge.is_string()) return std::nullopt;
  const auto text = merge.get<std::string>();
  const std::size_t space = text.find(' ');
  if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) return std::nullopt;
  return std::pair(text.substr(0, space), text.substr(space + 1));
}

}  // namespace

void BpeModel::read_vocabulary(const JsonObject& model) {
  const nlohmann::json* vocabulary = model.find("vocab");
  if (!vocabulary || !vocabulary->is_object()) model.refuse("vocab", "an object from token to id");
  int64_t highest = -1;
  for (const auto& [token, id] : vocabulary->items()) {
    const bool valid = id.is_number_integer() && id.get<int64_t>() >= 0 && id.get<int64_t>() <= kMaxId;
    LS_REQUIRE(FormatError, valid, "{}: id of {} is {}; accepted: an integer from 0 to {}", model.place("vocab"),
               shown(token), shown(id), kMaxId);
    highest = std::max(highest, id.get<int64_t>());
  }
  tokens_.resize(static_cast<std::size_t>(highest + 1));
  ids_.reserve(vocabulary->size());
  for (const auto& [token, id] : vocabulary->items()) {
    std::optional<std::string>& place = tokens_[id.get<std::size_t>()];
    LS_REQUIRE(FormatError, !place, "{}: {} and {} have the same id {}", model.place("vocab"), shown(*place),
               shown(token), shown(id));
    place = token;
  }
  for (std::size_t id = 0; id < tokens_.size(); ++id)
    if (tokens_[id]) ids_.emplace(*tokens_[id], static_cast<int32_t>(id));
  for (std::size_t byte = 0; byte < byte_ids_.size(); ++byte) {
    const std::optional<TokenId> id = find(fmt::format("<0x{:02X}>", byte));
    byte_ids_[byte] = id ? id->value() : -1;
  }
}

void BpeModel::read_merges(const JsonObject& model) {
  const nlohmann::json* merges = model.find("merges");
  if (!merges || !merges->is_array()) model.refuse("merges", "a list of \"a b\" or [\"a\", \"b\"]");
  merges_ = MergeTable(merges->size());
  uint32_t rank = 0;
  for (const nlohmann::json& merge : *merges) {
    const auto sides = sides_of(merge);
    LS_REQUIRE(FormatError, sides, "{}[{}] is {}; accepted: \"a b\" or [\"a\", \"b\"]", model.place("merges"), rank,
               shown(merge));
    const auto id_of = [&](const std::string& token) {
      const std::optional<TokenId> id = find(token);
      LS_REQUIRE(FormatError, id, "{}[{}] {}: {} is not in the vocabulary", model.place("merges"), rank, shown(merge),
                 shown(token));
      return id->value();
    };
    const int32_t left = id_of(sides->first), right = id_of(sides->second);
    merges_.insert(left, right, {rank, id_of(sides->first + sides->second)});
    ++rank;
  }
}

BpeModel BpeModel::read(const JsonObject& model) {
  model.allow_only({"type", "vocab", "merges", "dropout", "unk_token", "continuing_subword_prefix",
                    "end_of_word_suffix", "fuse_unk", "byte_fallback", "ignore_merges"});
  if (model.text("type", "BPE") != "BPE") model.refuse("type", "BPE");
  if (model.number("dropout", 0.0, 1.0, 0.0) != 0.0) model.refuse("dropout", "0 or null: encoding is deterministic");
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!model.text(affix, "").empty()) model.refuse(affix, "\"\" or null");
  BpeModel bpe;
  bpe.place_ = model.place("model");
  bpe.read_vocabulary(model);
  bpe.read_merges(model);
  if (model.has("unk_token")) {
    bpe.unknown_token_ = model.text("unk_token");
    bpe.unknown_id_ = bpe.find(*bpe.unknown_token_);
  }
  bpe.fuse_unknown_ = model.boolean("fuse_unk", false);
  bpe.byte_fallback_ = model.boolean("byte_fallback", false);
  bpe.ignore_merges_ = model.boolean("ignore_merges", false);
  return bpe;
}

}  // namespace lockstep
