#include "launcher/eval/eval_rows.h"

#include "tests/support/expect_throw.h"
#include "tests/support/temporary_directory.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

using testing_support::expect_throw;
using testing_support::TemporaryDirectory;
using testing_support::write_file;

class EvalRows : public testing::Test {
 protected:
  std::vector<EvalRow> read(std::string_view rows, std::string_view answers = "", int64_t most = 0) {
    write_file(directory_ / "rows", rows);
    if (!answers.empty()) write_file(directory_ / "answers", answers);
    return read_eval_rows(directory_ / "rows", answers.empty() ? "" : (directory_ / "answers").string(), most,
                          directory_ / "spool");
  }

  TemporaryDirectory directory_;
};

TEST_F(EvalRows, AnswersStandInTheRows) {
  const auto rows = read(
      "{\"prompt\": \"a\", \"answer\": \"In the mill.\", \"distance\": 12, \"max_tokens\": 8}\n"
      "\n"
      "{\"prompt\": \"b\"}\n"
      "{\"custom_id\": \"c\", \"method\": \"POST\", \"url\": \"/v1/completions\", \"answer\": \"x\","
      " \"body\": {\"prompt\": \"c\", \"n\": 3, \"temperature\": 0.7, \"stop\": [\"\\n\"]}}\n");
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0].answer, "In the mill.");
  EXPECT_EQ(rows[0].distance, 12);
  EXPECT_EQ(rows[0].request.max_tokens, 8);
  EXPECT_EQ(rows[0].request.custom_id, "request-1");
  EXPECT_EQ(rows[1].request.custom_id, "request-3");
  EXPECT_FALSE(rows[1].answer || rows[1].distance);
  EXPECT_EQ(rows[2].answer, "x");
  EXPECT_FALSE(rows[2].distance);
}

TEST_F(EvalRows, AnswersAreGreedyAndSingle) {
  const auto rows = read(
      "{\"prompt\": \"a\", \"n\": 3, \"temperature\": 0.7, \"logprobs\": 2, \"echo\": true, \"stop\": [\"x\"],"
      " \"presence_penalty\": 1.0, \"min_tokens\": 2}\n");
  const Request& request = rows[0].request;
  EXPECT_EQ(request.n, 1);
  EXPECT_TRUE(request.sampling.is_plain_argmax());
  EXPECT_FALSE(request.echo);
  EXPECT_EQ(request.stop, std::vector<std::string>{"x"});
}

TEST_F(EvalRows, AnswersOfAFileGoToTheirRows) {
  const auto rows = read("{\"custom_id\": \"a\", \"prompt\": \"a\"}\n{\"custom_id\": \"b\", \"prompt\": \"b\"}\n",
                         "{\"custom_id\": \"b\", \"answer\": \"B\", \"distance\": 3}\n"
                         "{\"custom_id\": \"none\", \"answer\": \"N\"}\n");
  EXPECT_FALSE(rows[0].answer);
  EXPECT_EQ(rows[1].answer, "B");
  EXPECT_EQ(rows[1].distance, 3);
}

TEST_F(EvalRows, OnlyTheFirstRows) {
  EXPECT_EQ(read("{\"prompt\": \"a\"}\n{\"prompt\": \"b\"}\nbroken\n", "", 2).size(), 2U);
  EXPECT_EQ(read("{\"prompt\": \"a\"}\n", "", 5).size(), 1U);
}

TEST_F(EvalRows, BadRowsAreNamed) {
  const std::string good = "{\"prompt\": \"a\"}\n";
  const std::string file = (directory_ / "rows").string() + ": line 2: ";
  const auto refused = [&](const std::string& row, std::vector<std::string_view> parts) {
    parts.push_back(file);
    expect_throw<FormatError>([&] { read(good + row + "\n"); }, parts);
  };
  refused("{", {"JSON"});
  refused("{\"prompt\": \"a\", \"answers\": \"x\"}", {"answers"});
  refused("{\"prompt\": \"a\", \"answer\": 7}", {"answer is 7"});
  refused("{\"prompt\": \"a\", \"distance\": -1}", {"distance is -1"});
  refused("{\"prompt\": [\"a\", \"b\"]}", {"2 prompts"});
  refused("{\"custom_id\": \"request-1\", \"prompt\": \"a\"}", {"custom_id is that of line 1"});
}

TEST_F(EvalRows, BadAnswersAreNamed) {
  const std::string rows = "{\"custom_id\": \"a\", \"prompt\": \"a\", \"answer\": \"x\"}\n";
  const auto refused = [&](const std::string& answers, std::vector<std::string_view> parts) {
    expect_throw<FormatError>([&] { read(rows, answers); }, parts);
  };
  const std::string file = (directory_ / "answers").string();
  refused("{\"custom_id\": \"a\", \"answer\": \"x\"}\n", {file, "line 1", "\"a\" has an answer of its own"});
  refused("{\"custom_id\": \"a\"}\n", {file, "answer"});
  refused("{\"answer\": \"x\"}\n", {file, "custom_id"});
  refused("{\"custom_id\": \"b\", \"answer\": \"x\"}\n", {file, "none of the rows"});
}

TEST_F(EvalRows, TheSetOfAModelIsFound) {
  EXPECT_FALSE(find_held_out(directory_.path()));
  write_file(directory_ / "held_out.jsonl.zst", "");
  EXPECT_EQ(find_held_out(directory_.path()), directory_ / "held_out.jsonl.zst");
  write_file(directory_ / "held_out.jsonl", "");
  EXPECT_EQ(find_held_out(directory_.path()), directory_ / "held_out.jsonl");
}

TEST(EvalRowsOfTheDemoModel, AreAThousandWithAnswersAndDistances) {
  const TemporaryDirectory directory;
  const auto file = find_held_out(LOCKSTEP_SOURCE_DIR "/examples/models/recall");
  ASSERT_TRUE(file);
  const auto rows = read_eval_rows(*file, "", 0, directory / "spool");
  EXPECT_GE(rows.size(), 1000U);
  int64_t farthest = 0;
  for (const EvalRow& row : rows) {
    ASSERT_TRUE(row.answer && row.distance) << row.request.custom_id;
    farthest = std::max(farthest, *row.distance);
  }
  EXPECT_GT(farthest, 3300);
}

TEST(EvalRowsExact, SpacesAroundAreNothing) {
  EXPECT_TRUE(is_exact(" In the mill.\n", "In the mill."));
  EXPECT_TRUE(is_exact("x", " x "));
  EXPECT_TRUE(is_exact(" \n", ""));
  EXPECT_FALSE(is_exact("In the mill", "In the mill."));
  EXPECT_FALSE(is_exact("In  the mill.", "In the mill."));
  EXPECT_FALSE(is_exact("in the mill.", "In the mill."));
}

}  // namespace
}  // namespace lockstep
