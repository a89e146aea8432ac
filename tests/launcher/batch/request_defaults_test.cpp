#include "launcher/batch/request_defaults.h"

#include "tests/support/expect_throw.h"
#include "tests/support/temporary_directory.h"

namespace lockstep {
namespace {

using testing_support::expect_throw;
using testing_support::TemporaryDirectory;
using testing_support::write_file;

class RequestDefaultsTest : public testing::Test {
 protected:
  RequestDefaults read(std::string_view json) {
    write_file(directory_.path() / "generation_config.json", json);
    return read_request_defaults(directory_.path());
  }
  TemporaryDirectory directory_;
};

TEST_F(RequestDefaultsTest, WithoutAFileTheApisOwn) {
  const RequestDefaults defaults = read_request_defaults(directory_.path());
  EXPECT_TRUE(defaults.sampling.is_plain_argmax());
  EXPECT_EQ(defaults.max_tokens, std::nullopt);
}

TEST_F(RequestDefaultsTest, ReadsSampling) {
  const RequestDefaults defaults =
      read(R"({"do_sample":true,"temperature":0.6,"top_k":20,"top_p":0.95,"min_p":0.1,"repetition_penalty":1.05,)"
           R"("max_new_tokens":77,"eos_token_id":[1,2],"transformers_version":"4"})");
  EXPECT_EQ(defaults.sampling.temperature, 0.6);
  EXPECT_EQ(defaults.sampling.top_k, 20);
  EXPECT_EQ(defaults.sampling.top_p, 0.95);
  EXPECT_EQ(defaults.sampling.min_p, 0.1);
  EXPECT_EQ(defaults.sampling.repetition_penalty, 1.05);
  EXPECT_EQ(defaults.max_tokens, 77);
}

TEST_F(RequestDefaultsTest, AFileThatDoesNotSampleStaysGreedy) {
  EXPECT_EQ(read(R"({"temperature":0.6})").sampling.temperature, 0.0);
  EXPECT_EQ(read(R"({"do_sample":false,"temperature":0.6})").sampling.temperature, 0.0);
  EXPECT_EQ(read(R"({"do_sample":true})").sampling.temperature, 1.0);
}

TEST_F(RequestDefaultsTest, NamesFileKeyAndValue) {
  expect_throw<FormatError>([&] { read(R"({"top_p":2})"); }, {"generation_config.json", "top_p", "2"});
}

TEST_F(RequestDefaultsTest, TextTellsDefaultsApart) {
  EXPECT_NE(read(R"({"top_k":20})").to_string(), read(R"({"top_k":21})").to_string());
  EXPECT_NE(read(R"({"max_new_tokens":20})").to_string(), read("{}").to_string());
}

}  // namespace
}  // namespace lockstep
