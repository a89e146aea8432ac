#include "core/text/tokenizer.h"

#include "core/error.h"
#include "tests/core/text/text_test_support.h"

#include <gtest/gtest.h>
#include <string>
#include <thread>
#include <vector>

namespace lockstep {
namespace {

using Json = nlohmann::json;

const std::filesystem::path kMade = std::filesystem::path(LOCKSTEP_SOURCE_DIR) / "tests/goldens/tokenizers";

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Tokenizer, StringMergesAndPairMergesAreOne) {
  const auto strings = load_tokenizer(kMade / "flags");
  Json file = Json::parse(read(kMade / "flags/tokenizer.json"));
  for (Json& merge : file["model"]["merges"]) {
    const auto text = merge.get<std::string>();
    const size_t space = text.find(' ');
    merge = {text.substr(0, space), text.substr(space + 1)};
  }
  const auto pairs = test::load(file);
  const std::string text = read(std::filesystem::path(LOCKSTEP_SOURCE_DIR) / "tests/goldens/unicode_corpus.json");
  EXPECT_EQ(strings->encode(text, true), pairs->encode(text, true));
  EXPECT_NE(strings->fingerprint(), pairs->fingerprint());
}

TEST(Tokenizer, ThreadsShareIt) {
  const auto tokenizer = load_tokenizer(kMade / "llama3_style");
  const std::string text = read(std::filesystem::path(LOCKSTEP_SOURCE_DIR) / "tests/goldens/unicode_corpus.json");
  const std::vector<TokenId> expected = tokenizer->encode(text, true);
  std::vector<std::vector<TokenId>> results(4);
  std::vector<std::thread> threads;
  for (auto& result : results)
    threads.emplace_back([&] {
      for (int round = 0; round < 3; ++round) result = tokenizer->encode(text, true);
    });
  for (std::thread& thread : threads) thread.join();
  for (const auto& result : results) EXPECT_EQ(result, expected);
}

TEST(Tokenizer, ConfigNamesBosAndEos) {
  const test::TemporaryDirectory directory;
  directory.write("tokenizer.json", read(kMade / "llama3_style/tokenizer.json"));
  const auto plain = load_tokenizer(directory.path());
  EXPECT_FALSE(plain->bos_token() || plain->eos_token());
  directory.write(
      "tokenizer_config.json",
      Json{{"bos_token", "<|begin_of_text|>"}, {"eos_token", {{"content", "<|im_end|>"}}}, {"other", {1, 2}}});
  const auto named = load_tokenizer(directory.path());
  EXPECT_EQ(named->bos_token(), named->token_to_id("<|begin_of_text|>"));
  EXPECT_EQ(named->eos_token(), named->token_to_id("<|im_end|>"));
  EXPECT_NE(named->eos_token(), std::nullopt);
  EXPECT_NE(named->fingerprint(), plain->fingerprint());
  EXPECT_TRUE(named->is_special(*named->eos_token()));
  EXPECT_FALSE(named->is_special(*named->token_to_id("<think>")));
  EXPECT_FALSE(named->is_special(TokenId(0)));
}

TEST(SentencePieceTokenizer, FollowsTheConfig) {
  const test::TemporaryDirectory directory;
  directory.write("tokenizer.model", read(kMade / "sentencepiece/tokenizer.model"));
  const auto plain = load_tokenizer(directory.path());
  const std::vector<TokenId> ids = plain->encode("the", true);
  ASSERT_EQ(ids.front(), *plain->bos_token());
  EXPECT_EQ(plain->eos_token(), plain->token_to_id("</s>"));

  directory.write(
      "tokenizer_config.json",
      Json{{"add_bos_token", false},
           {"add_eos_token", true},
           {"added_tokens_decoder", {{"1000", {{"content", "[TOOL]"}, {"special", true}, {"rstrip", true}}}}}});
  const auto other = load_tokenizer(directory.path());
  std::vector<TokenId> expected(ids.begin() + 1, ids.end());
  expected.push_back(*other->eos_token());
  EXPECT_EQ(other->encode("the", true), expected);
  expected.insert(expected.begin(), TokenId(1000));
  EXPECT_EQ(other->encode("[TOOL]  the", true), expected);
  EXPECT_EQ(other->vocab_size(), 1001);
  EXPECT_EQ(other->decode(expected, true), "the");

  directory.write("tokenizer_config.json", Json{{"bos_token", "<absent>"}});
  EXPECT_THROW(load_tokenizer(directory.path()), FormatError);
  directory.write("tokenizer_config.json", Json{{"added_tokens_decoder", {{"x1", {{"content", "y"}}}}}});
  EXPECT_THROW(load_tokenizer(directory.path()), FormatError);
}

}  // namespace
}  // namespace lockstep
