#include "core/text/bpe_model.h"

#include "core/error.h"

#include <gtest/gtest.h>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace lockstep {
namespace {

using Json = nlohmann::json;

BpeModel read(const Json& model) { return BpeModel::read(JsonObject(model, "test", "model.")); }

std::vector<std::string> tokens(const BpeModel& model, const std::string& word, BpeScratch& scratch) {
  std::vector<TokenId> ids;
  model.encode(word, scratch, ids);
  std::vector<std::string> spelled;
  for (const TokenId id : ids) spelled.push_back(*model.tokens()[static_cast<size_t>(id.value())]);
  return spelled;
}

std::vector<std::string> tokens(const BpeModel& model, const std::string& word) {
  BpeScratch scratch;
  return tokens(model, word, scratch);
}

using Words = std::vector<std::string>;

/// A chain of rules over two letters: every pair of tokens up to a length merges.
Json dense_model() {
  Json model = {{"vocab", Json::object()}, {"merges", Json::array()}};
  std::vector<std::string> by_length = {"a", "b"};
  for (size_t i = 0; i < by_length.size() && by_length.size() < 60; ++i)
    for (size_t j = 0; j <= i && by_length.size() < 60; ++j) {
      const std::string merged = by_length[i] + by_length[j];
      if (std::find(by_length.begin(), by_length.end(), merged) != by_length.end()) continue;
      by_length.push_back(merged);
      model["merges"].push_back({by_length[i], by_length[j]});
    }
  for (size_t i = 0; i < by_length.size(); ++i) model["vocab"][by_length[i]] = i;
  return model;
}

/// The definition: apply the best rule, leftmost first, until none applies.
Words merged_naively(const Json& model, const std::string& word) {
  std::map<std::pair<std::string, std::string>, size_t> ranks;
  for (const Json& merge : model["merges"]) ranks[{merge[0], merge[1]}] = ranks.size();
  Words parts;
  for (const char c : word) parts.emplace_back(1, c);
  while (true) {
    size_t best = ranks.size(), where = 0;
    for (size_t i = 0; i + 1 < parts.size(); ++i)
      if (const auto rule = ranks.find({parts[i], parts[i + 1]}); rule != ranks.end() && rule->second < best)
        best = rule->second, where = i;
    if (best == ranks.size()) return parts;
    parts[where] += parts[where + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(where) + 1);
  }
}

TEST(BpeModel, QueueGivesWhatTheDefinitionGives) {
  const Json json = dense_model();
  const BpeModel model = read(json);
  uint32_t state = 7;
  for (int length = 1; length < 120; ++length) {
    std::string word;
    for (int i = 0; i < length; ++i) word += (state = state * 1664525 + 1013904223) >> 31 ? 'a' : 'b';
    EXPECT_EQ(tokens(model, word), merged_naively(json, word)) << word;
  }
}

TEST(BpeModel, MegabyteWithoutSpaceIsNoTrap) {
  const BpeModel model = read(dense_model());
  std::string word;
  for (int i = 0; i < 1 << 20; ++i) word += i % 3 && i % 7 ? 'a' : 'b';
  std::string joined;
  for (const std::string& token : tokens(model, word)) joined += token;
  EXPECT_EQ(joined, word);
}

TEST(BpeModel, KnownWordsKeepTheirIds) {
  const Json json = dense_model();
  const BpeModel model = read(json);
  BpeScratch scratch;
  for (int round = 0; round < 3; ++round)
    for (const char* word : {"a", "abba", "abab", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"})
      EXPECT_EQ(tokens(model, word, scratch), merged_naively(json, word));
}

TEST(BpeModel, UnknownCharacters) {
  Json json = {{"vocab", {{"a", 0}, {"?", 1}, {"<0xC3>", 2}, {"<0xA9>", 3}}}, {"merges", Json::array()}};
  EXPECT_EQ(tokens(read(json), "aéa"), (Words{"a", "a"}));  // no unk_token: dropped
  json["unk_token"] = "?";
  EXPECT_EQ(tokens(read(json), "aéßa"), (Words{"a", "?", "?", "a"}));
  json["fuse_unk"] = true;
  EXPECT_EQ(tokens(read(json), "aéßa"), (Words{"a", "?", "a"}));
  json["byte_fallback"] = true;
  EXPECT_EQ(tokens(read(json), "aéa"), (Words{"a", "<0xC3>", "<0xA9>", "a"}));
  EXPECT_EQ(tokens(read(json), "ßéa"), (Words{"<0xC3>", "<0xA9>", "?", "a"}));  // as Hugging Face orders it
  json["unk_token"] = "absent";
  EXPECT_THROW(tokens(read(json), "ß"), FormatError);
  EXPECT_EQ(tokens(read(json), "a"), Words{"a"});
}

TEST(BpeModel, IgnoreMergesTakesWholeWordsFirst) {
  Json json = {{"vocab", {{"a", 0}, {"b", 1}, {"ab", 2}, {"aab", 3}}}, {"merges", {"a b"}}};
  EXPECT_EQ(tokens(read(json), "aab"), (Words{"a", "ab"}));
  json["ignore_merges"] = true;
  EXPECT_EQ(tokens(read(json), "aab"), (Words{"aab"}));
  EXPECT_EQ(tokens(read(json), "aaab"), (Words{"a", "a", "ab"}));
}

}  // namespace
}  // namespace lockstep
