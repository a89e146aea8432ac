#include "launcher/batch/answer.h"

#include "tests/launcher/batch/byte_tokenizer.h"

#include <gtest/gtest.h>
#include <memory>

namespace lockstep {
namespace {

class AnswerTest : public testing::Test {
 protected:
  // Pushes the text's bytes until the answer ends; returns how many were taken.
  size_t answer(Request request, std::string_view text, int64_t room = 100) {
    request_ = std::move(request);
    answer_ = std::make_unique<Answer>(request_, tokenizer_, eos_, room);
    for (size_t i = 0; i < text.size(); ++i) {
      if (answer_->push(TokenId(static_cast<unsigned char>(text[i])))) return i + 1;
    }
    return 0;
  }
  ByteTokenizer tokenizer_;
  std::vector<TokenId> eos_{TokenId(0)};
  Request request_;
  std::unique_ptr<Answer> answer_;
};

TEST_F(AnswerTest, EndsAtItsLength) {
  EXPECT_EQ(answer({}, "abcdef", 4), 4U);
  EXPECT_EQ(answer_->choice().text, "abcd");
  EXPECT_EQ(answer_->choice().finish_reason, FinishReason::kLength);
  EXPECT_EQ(answer_->choice().token_ids.size(), 4U);
}

TEST_F(AnswerTest, EndsAtAnEndTokenThatIsNoText) {
  EXPECT_EQ(answer({}, std::string_view("ab\0cd", 5)), 3U);
  EXPECT_EQ(answer_->choice().text, "ab");
  EXPECT_EQ(answer_->choice().finish_reason, FinishReason::kStop);
  EXPECT_EQ(answer_->choice().token_ids.size(), 3U);
}

TEST_F(AnswerTest, GoesPastEndTokensWhenAsked) {
  Request request;
  request.ignore_eos = true;
  EXPECT_EQ(answer(request, std::string_view("ab\0cd", 5), 5), 5U);
  EXPECT_EQ(answer_->choice().finish_reason, FinishReason::kLength);
}

TEST_F(AnswerTest, EndsBeforeAStopString) {
  Request request;
  request.stop = {"ST", "END"};
  EXPECT_EQ(answer(request, "one ENDtwo"), 7U);
  EXPECT_EQ(answer_->choice().text, "one ");
  EXPECT_EQ(answer_->choice().finish_reason, FinishReason::kStop);
}

TEST_F(AnswerTest, TextHeldBackForAStopStringComesOutAtTheEnd) {
  Request request;
  request.stop = {"END"};
  EXPECT_EQ(answer(request, "one EN", 6), 6U);
  EXPECT_EQ(answer_->choice().text, "one EN");
}

TEST_F(AnswerTest, EndsAtAStopTokenEvenPastEndTokens) {
  Request request;
  request.stop_token_ids = {TokenId('c')};
  request.ignore_eos = true;
  EXPECT_EQ(answer(request, std::string_view("ab\0cd", 5)), 4U);
  EXPECT_EQ(answer_->choice().text, std::string("ab\0", 3));
  EXPECT_EQ(answer_->choice().finish_reason, FinishReason::kStop);
}

TEST_F(AnswerTest, LooksForStopStringsBehindTheFewestTokensOnly) {
  Request request;
  request.stop = {"END"};
  request.sampling.min_tokens = 4;
  EXPECT_EQ(answer(request, "ENDENDx"), 0U) << "the second one begins too early";
  EXPECT_EQ(answer(request, "ENDx ENDy"), 8U);
  EXPECT_EQ(answer_->choice().text, "ENDx ");
}

TEST_F(AnswerTest, KeepsScores) {
  answer_ = std::make_unique<Answer>(request_, tokenizer_, eos_, 2);
  answer_->push(TokenId('a'), TokenScore{TokenId('a'), -0.5F, 1, {}});
  answer_->push(TokenId('b'), TokenScore{TokenId('b'), -1.5F, 2, {}});
  ASSERT_EQ(answer_->choice().scores.size(), 2U);
  EXPECT_EQ(answer_->choice().scores[1].logprob, -1.5F);
}

}  // namespace
}  // namespace lockstep
