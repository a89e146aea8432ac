#include "core/text/incremental_decoder.h"

#include "core/text/decoder_steps.h"
#include "core/text/utf8.h"
#include "tests/core/text/text_test_support.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace lockstep {
namespace {

using Json = nlohmann::json;
using Pieces = std::vector<std::string>;

const std::string kBad(kReplacementCharacter);

/// A tokenizer whose tokens are `tokens`, by place, with the given decoder.
std::unique_ptr<Tokenizer> with_tokens(const Pieces& tokens, const char* decoder) {
  Json file = {{"model", {{"vocab", Json::object()}, {"merges", Json::array()}}}, {"decoder", Json::parse(decoder)}};
  for (size_t i = 0; i < tokens.size(); ++i) file["model"]["vocab"][tokens[i]] = i;
  return test::load(file);
}

/// What each push gives, then what finish gives.
Pieces decoded(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  IncrementalDecoder decoder(tokenizer, true);
  Pieces pieces;
  for (const int32_t id : ids) pieces.push_back(decoder.push(TokenId(id)));
  pieces.push_back(decoder.finish());
  return pieces;
}

TEST(IncrementalDecoder, HoldsBackHalfACodePoint) {
  // Letters for the bytes F0 9F 98 80 (an emoji), and a plain word.
  const auto tokenizer = with_tokens({"ðŁ", "ĺ", "Ģ", "Ġok"}, R"({"type": "ByteLevel"})");
  EXPECT_EQ(decoded(*tokenizer, {0, 1, 2, 3}), (Pieces{"", "", "\U0001F600", " ok", ""}));
  EXPECT_EQ(decoded(*tokenizer, {0, 1, 3}), (Pieces{"", "", kBad + " ok", ""}));
  EXPECT_EQ(decoded(*tokenizer, {3, 0}), (Pieces{" ok", "", kBad}));
  EXPECT_EQ(decoded(*tokenizer, {99, -1, 3}), (Pieces{"", "", " ok", ""}));
}

TEST(IncrementalDecoder, JudgesRunsOfByteTokensWhole) {
  const auto tokenizer = with_tokens({"<0xC3>", "<0xA9>", "\u2581x"}, R"({"type": "Sequence", "decoders": [
      {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
      {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})");
  EXPECT_EQ(decoded(*tokenizer, {0, 1, 2}), (Pieces{"", "", "é x", ""}));
  EXPECT_EQ(decoded(*tokenizer, {0, 1, 0, 2}), (Pieces{"", "", "", kBad + kBad + kBad + " x", ""}));
  EXPECT_EQ(decoded(*tokenizer, {2, 2, 0, 1}), (Pieces{"x", " x", "", "", "é"}));
}

std::string stripped(DecoderStep& step, const Pieces& tokens) {
  std::string text;
  const TokenSink sink = [&](std::string_view piece) { text += piece; };
  for (const std::string& token : tokens) step.push(token, sink);
  step.finish(sink);
  return text;
}

TEST(DecoderSteps, StripsFragmentsOfOneToken) {
  const auto fused = [](int64_t start, int64_t stop, const Pieces& tokens) {
    StripFusedStep step(" ", start, stop);
    return stripped(step, tokens);
  };
  EXPECT_EQ(fused(1, 0, {" ", " a", " "}), " a ");
  EXPECT_EQ(fused(2, 0, {" ", " a", " "}), "a ");
  EXPECT_EQ(fused(9, 0, {" ", "", "  ", "a"}), "a");
  EXPECT_EQ(fused(0, 1, {"a ", " ", "b ", " "}), "a  b ");
  EXPECT_EQ(fused(0, 2, {"a", " ", " ", " "}), "a ");
  EXPECT_EQ(fused(0, 2, {"a  ", "b  ", ""}), "a  b");
}

TEST(DecoderSteps, StripsEveryToken) {
  StripStep step("é", 1, 2);
  EXPECT_EQ(stripped(step, {"ééaéé", "é", "b"}), "éab");
}

TEST(DecoderSteps, SentencePieceReplacesInvalidBytesAlone) {
  ByteFallbackStep step(ByteFallbackStep::Invalid::kBytesAlone);
  EXPECT_EQ(stripped(step, {"<0xC3>", "<0xA9>", "<0xE2>", "<0x98>", "x", "<0xZZ>"}), "é" + kBad + kBad + "x<0xZZ>");
}

}  // namespace
}  // namespace lockstep
