#include "launcher/batch/answer.h"

#include <gtest/gtest.h>
#include <memory>

namespace lockstep {
namespace {

// Tokens are bytes; 0 is an end token.
class ByteTokenizer final : public Tokenizer {
 public:
  class Bytes final : public DecodeStream {
   public:
    void push(TokenId id, std::string& text) override { text += static_cast<char>(id.value()); }
    void finish(std::string&) override {}
  };
  std::vector<TokenId> encode(std::string_view text, bool) const override {
    std::vector<TokenId> ids;
    for (const char byte : text) ids.emplace_back(static_cast<unsigned char>(byte));
    return ids;
  }
  std::unique_ptr<DecodeStream> decode_stream(bool) const override { return std::make_unique<Bytes>(); }
  int64_t vocab_size() const override { return 256; }
  std::optional<TokenId> token_to_id(std::string_view) const override { return std::nullopt; }
  std::optional<std::string> id_to_token(TokenId) const override { return std::nullopt; }
  bool is_special(TokenId id) const override { return id.value() == 0; }
  std::optional<TokenId> bos_token() const override { return std::nullopt; }
  std::optional<TokenId> eos_token() const override { return TokenId(0); }
  Hash128 fingerprint() const override { return {}; }
};

class AnswerTest : public testing::Test {
 protected:
  // Pushes the text's bytes until the answer ends; returns how many were taken.
  size_t answer(Request request, std::string_view text, int64_t room = 100) {
    answer_ = std::make_unique<Answer>(std::move(request), tokenizer_, eos_, 3, room);
    for (size_t i = 0; i < text.size(); ++i) {
      if (answer_->push(TokenId(static_cast<unsigned char>(text[i])))) return i + 1;
    }
    return 0;
  }
  ByteTokenizer tokenizer_;
  std::vector<TokenId> eos_{TokenId(0)};
  std::unique_ptr<Answer> answer_;
};

TEST_F(AnswerTest, EndsAtItsLength) {
  EXPECT_EQ(answer({}, "abcdef", 4), 4U);
  EXPECT_EQ(answer_->result().text, "abcd");
  EXPECT_EQ(answer_->result().finish_reason, FinishReason::kLength);
  EXPECT_EQ(answer_->result().completion_tokens, 4);
  EXPECT_EQ(answer_->result().prompt_tokens, 3);
}

TEST_F(AnswerTest, EndsAtAnEndTokenThatIsNoText) {
  EXPECT_EQ(answer({}, std::string_view("ab\0cd", 5)), 3U);
  EXPECT_EQ(answer_->result().text, "ab");
  EXPECT_EQ(answer_->result().finish_reason, FinishReason::kStop);
  EXPECT_EQ(answer_->result().token_ids.size(), 3U);
}

TEST_F(AnswerTest, GoesPastEndTokensWhenAsked) {
  Request request;
  request.ignore_eos = true;
  EXPECT_EQ(answer(request, std::string_view("ab\0cd", 5), 5), 5U);
  EXPECT_EQ(answer_->result().finish_reason, FinishReason::kLength);
}

TEST_F(AnswerTest, EndsBeforeAStopString) {
  Request request;
  request.stop = {"ST", "END"};
  EXPECT_EQ(answer(request, "one ENDtwo"), 7U);
  EXPECT_EQ(answer_->result().text, "one ");
  EXPECT_EQ(answer_->result().finish_reason, FinishReason::kStop);
}

TEST_F(AnswerTest, TextHeldBackForAStopStringComesOutAtTheEnd) {
  Request request;
  request.stop = {"END"};
  EXPECT_EQ(answer(request, "one EN", 6), 6U);
  EXPECT_EQ(answer_->result().text, "one EN");
}

}  // namespace
}  // namespace lockstep
