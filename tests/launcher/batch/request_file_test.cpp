#include "launcher/batch/request_file.h"

#include "tests/support/expect_throw.h"
#include "tests/support/shared_data.h"
#include "tests/support/temporary_directory.h"

namespace lockstep {
namespace {

using testing_support::expect_throw;
using testing_support::shared_data;
using testing_support::TemporaryDirectory;
using testing_support::write_file;

class RequestFileTest : public testing::Test {
 protected:
  RequestFile open(std::string_view content, const RequestFile::RowCheck& check = {}) {
    write_file(path_, content);
    return RequestFile(path_, 0, check);
  }
  template <class ErrorType>
  void expect_refused(std::string_view content, std::vector<std::string_view> parts) {
    expect_throw<ErrorType>([&] { open(content); }, parts);
  }

  TemporaryDirectory dir_;
  std::filesystem::path path_ = dir_ / "in.jsonl";
};

TEST_F(RequestFileTest, ReadsRowsInAnyOrder) {
  const RequestFile file = open("{\"prompt\":\"a\"}\n{\"prompt\":\"b\"}\n{\"prompt\":\"c\"}");
  ASSERT_EQ(file.size(), 3);
  for (const int64_t row : {2, 0, 1}) {
    const Request request = file.read(row);
    EXPECT_EQ(request.index, row);
    EXPECT_EQ(std::get<std::string>(request.prompt), std::string(1, static_cast<char>('a' + row)));
    EXPECT_EQ(request.custom_id, "request-" + std::to_string(row + 1));
  }
  EXPECT_EQ(file.read_line(1), "{\"prompt\":\"b\"}");
}

TEST_F(RequestFileTest, BlankLinesHaveNoRowButCountAsLines) {
  const RequestFile file = open("\n \t\n{\"prompt\":\"a\"}\n{\"prompt\":\"b\"}\n\r\n\n{\"prompt\":\"c\"}\n\n");
  ASSERT_EQ(file.size(), 3);
  EXPECT_EQ(file.position(0).line, 3);
  EXPECT_EQ(file.position(1).line, 4);
  EXPECT_EQ(file.position(2).line, 7);
  EXPECT_EQ(file.position(2).index, 2);
  EXPECT_EQ(std::get<std::string>(file.read(2).prompt), "c");
}

TEST_F(RequestFileTest, AcceptsCrLfAndByteOrderMark) {
  const RequestFile file = open("\xEF\xBB\xBF{\"prompt\":\"a\"}\r\n{\"prompt\":\"b\"}\r\n");
  ASSERT_EQ(file.size(), 2);
  EXPECT_EQ(file.read_line(0), "{\"prompt\":\"a\"}");
  EXPECT_EQ(file.read_line(1), "{\"prompt\":\"b\"}");
  EXPECT_EQ(open("\xEF\xBB\xBF\n{\"prompt\":\"b\"}").position(0).line, 2);
}

TEST_F(RequestFileTest, RowsMayCrossReadingChunks) {
  // 1 MiB is read at once; rows of about 300 kB end everywhere in it, one is longer than two of them.
  std::string content;
  std::vector<std::string> prompts;
  for (const size_t bytes : {300000, 300000, 2500000, 1, 300000, 1048576, 17}) {
    prompts.emplace_back(bytes, static_cast<char>('a' + prompts.size()));
    content += "{\"prompt\":\"" + prompts.back() + "\"}\n";
  }
  const RequestFile file = open(content);
  ASSERT_EQ(file.size(), static_cast<int64_t>(prompts.size()));
  for (size_t row = 0; row < prompts.size(); ++row)
    EXPECT_TRUE(std::get<std::string>(file.read(static_cast<int64_t>(row)).prompt) == prompts[row]) << row;
}

TEST_F(RequestFileTest, DigestFollowsContent) {
  const Hash128 one = open("{\"prompt\":\"a\"}\n").digest();
  EXPECT_EQ(open("{\"prompt\":\"a\"}\n").digest(), one);
  EXPECT_NE(open("{\"prompt\":\"a\"}").digest(), one);
  EXPECT_NE(open("{\"prompt\":\"b\"}\n").digest(), one);
}

TEST_F(RequestFileTest, EveryRowIsCheckedWhenOpening) {
  expect_refused<ConfigError>("{\"prompt\":\"a\"}\n\n{\"prompt\":\"b\",\"top_p\":7}\n", {"in.jsonl:3: top_p is 7"});
  expect_refused<FormatError>("{\"prompt\":\"a\"}\n{\"prompt\":\"b\"", {"in.jsonl:2: not a JSON object"});
  expect_refused<FormatError>("{\"prompt\":\"\xC3\"}", {"in.jsonl:1: ", "UTF-8"});
}

TEST_F(RequestFileTest, FilesWithoutRowsAreRefused) {
  for (const char* content : {"", "\n\n", "  \r\n", "\xEF\xBB\xBF"})
    expect_refused<FormatError>(content, {"no requests in ", "in.jsonl"});
}

TEST_F(RequestFileTest, EqualCustomIdsAreRefusedNamingBothLines) {
  expect_refused<ConfigError>(
      "{\"prompt\":\"a\",\"custom_id\":\"x\"}\n\n{\"prompt\":\"b\"}\n{\"prompt\":\"c\",\"custom_id\":\"x\"}\n",
      {"custom_id \"x\" occurs on lines 1 and 4"});
  // A default id counts too.
  expect_refused<ConfigError>("{\"prompt\":\"a\",\"custom_id\":\"request-2\"}\n{\"prompt\":\"b\"}\n",
                              {"custom_id \"request-2\" occurs on lines 1 and 2"});
}

TEST_F(RequestFileTest, CallersCheckRefusesWithTheLine) {
  const auto check = [](const Request& request) {
    return std::get<std::string>(request.prompt) == "b" ? std::string("prompt is too long") : std::string();
  };
  expect_throw<ConfigError>([&] { open("{\"prompt\":\"a\"}\n{\"prompt\":\"b\"}\n", check); },
                            {"in.jsonl:2: prompt is too long"});
}

TEST_F(RequestFileTest, AFileThatChangedIsNoticed) {
  const RequestFile file = open("{\"prompt\":\"a\"}\n{\"prompt\":\"b\"}\n");
  write_file(path_, "{\"prompt\":\"c\"}\n");
  expect_throw<IoError>([&] { file.read(0); }, {"in.jsonl changed while the job ran"});
}

TEST_F(RequestFileTest, UnreadableFilesAreRefused) {
  expect_throw<IoError>([&] { RequestFile(dir_ / "none.jsonl"); }, {"cannot open ", "none.jsonl: No such file"});
  expect_throw<IoError>([&] { RequestFile(dir_.path()); }, {"not a regular file"});
  expect_throw<IoError>([&] { RequestFile("/dev/null"); }, {"not a regular file"});
}

/// Batch files published by other projects; they hold chat rows, which are refused by name.
TEST(RequestFileRealWorld, ChatBatchesOfOthersAreRefusedByName) {
  const std::filesystem::path prompts = shared_data() / "prompts";
  int found = 0;
  for (const char* name : {"vllm_openai_example_batch.jsonl", "aibrix_sample_job_input.jsonl"}) {
    const auto path = prompts / name;
    if (!std::filesystem::exists(path)) continue;
    ++found;
    expect_throw<ConfigError>([&] { RequestFile{path}; },
                              {name, ":1: url is \"/v1/chat/completions\": chat requests are not supported"});
  }
  if (found < 2) GTEST_SKIP() << "found " << found << " of 2 files under " << prompts;
}

}  // namespace
}  // namespace lockstep
