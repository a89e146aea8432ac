// Every tokenizer of tests/goldens/tokenizers against what Hugging Face made of the same texts.
#include "core/checkpoint/json_reader.h"
#include "core/text/incremental_decoder.h"
#include "core/text/sentencepiece_tokenizer.h"
#include "core/text/tokenizer.h"
#include "core/text/utf8.h"
#include "tests/core/text/text_test_support.h"

#include <filesystem>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

namespace lockstep {
namespace {

using Json = nlohmann::json;

const std::filesystem::path kGoldens = std::filesystem::path(LOCKSTEP_SOURCE_DIR) / "tests/goldens";

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

std::map<std::string, std::string> read_corpus() {
  std::map<std::string, std::string> corpus;
  std::ifstream file(kGoldens / "unicode_corpus.json");
  for (const Json& entry : Json::parse(file))
    corpus[entry["name"]] = entry.contains("hex") ? from_hex(entry["hex"]) : entry["text"].get<std::string>();
  return corpus;
}

std::vector<std::string> fixture_names() {
  std::set<std::string> names;
  const std::string suffix = ".fixture.json";
  for (const auto& entry : std::filesystem::directory_iterator(kGoldens / "tokenizers")) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(suffix)) names.insert(name.substr(0, name.size() - suffix.size()));
  }
  return {names.begin(), names.end()};
}

class TokenizerGoldens : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    fixture_ = read_json_file(kGoldens / "tokenizers" / (GetParam() + ".fixture.json"));
    const std::string directory = fixture_["directory"];
    const size_t colon = directory.find(':');
    const std::string where = directory.substr(0, colon), path = directory.substr(colon + 1);
    const auto root = where == "repository" ? std::filesystem::path(LOCKSTEP_SOURCE_DIR) : test::shared_data();
    if (!std::filesystem::exists(root / path)) GTEST_SKIP() << (root / path) << " is absent";
    if (where == "sentencepiece") {
      tokenizer_ = SentencePieceTokenizer::load(root / path);
    } else {
      tokenizer_ = load_tokenizer(root / path);
    }
  }

  /// `text` and `all` of an entry must be what decoding gives, at once and token by token.
  void expect_decoded(const Json& entry, const std::vector<TokenId>& ids, const std::string& input) {
    const std::string text = entry.value("text", input);
    for (const bool skip : {true, false}) {
      const std::string expected = skip ? text : entry.value("all", text);
      EXPECT_EQ(tokenizer_->decode(ids, skip), expected);
      IncrementalDecoder incremental(*tokenizer_, skip);
      std::string joined;
      for (const TokenId id : ids) {
        const std::string piece = incremental.push(id);
        EXPECT_TRUE(is_valid_utf8(piece)) << "half a code point behind " << joined;
        joined += piece;
      }
      EXPECT_EQ(joined + incremental.finish(), expected);
    }
  }

  Json fixture_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_P(TokenizerGoldens, Encode) {
  const std::map<std::string, std::string> corpus = read_corpus();
  for (const Json& entry : fixture_["encode"]) {
    SCOPED_TRACE(entry["name"].get<std::string>());
    const std::string& input = corpus.at(entry["name"]);
    const std::vector<TokenId> ids = test::to_ids(entry["ids"]);
    EXPECT_EQ(test::to_numbers(tokenizer_->encode(input, true)), test::to_numbers(ids));
    const auto begin = ids.begin() + entry["body"][0].get<int>();
    const std::vector<TokenId> body(begin, begin + entry["body"][1].get<int>());
    EXPECT_EQ(test::to_numbers(tokenizer_->encode(input, false)), test::to_numbers(body));
    expect_decoded(entry, ids, replace_invalid_utf8(input).value_or(input));
  }
}

TEST_P(TokenizerGoldens, DecodeRandomIds) {
  for (const Json& entry : fixture_["decode"]) {
    SCOPED_TRACE(entry.dump());
    expect_decoded(entry, test::to_ids(entry["ids"]), "");
  }
}

TEST_P(TokenizerGoldens, Vocabulary) {
  EXPECT_EQ(tokenizer_->vocab_size(), fixture_["vocab_size"].get<int64_t>());
  for (int32_t id = 0; id < tokenizer_->vocab_size(); ++id) {
    const std::optional<std::string> token = tokenizer_->id_to_token(TokenId(id));
    ASSERT_TRUE(token) << id;
    EXPECT_EQ(tokenizer_->token_to_id(*token), TokenId(id)) << *token;
  }
  EXPECT_FALSE(tokenizer_->id_to_token(TokenId(static_cast<int32_t>(tokenizer_->vocab_size()))));
  EXPECT_FALSE(tokenizer_->id_to_token(TokenId(-1)));
  EXPECT_FALSE(tokenizer_->token_to_id("no token is spelled like this"));
  EXPECT_NE(tokenizer_->fingerprint(), Hash128{});
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerGoldens, testing::ValuesIn(fixture_names()),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace lockstep
