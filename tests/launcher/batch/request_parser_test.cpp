#include "launcher/batch/request_parser.h"

#include "tests/support/expect_throw.h"

namespace lockstep {
namespace {

using testing_support::expect_throw;

const RowPosition kPosition{"in.jsonl", 7, 5};

Request parse(std::string_view line) { return parse_request(line, kPosition); }

/// A short row with one more field.
std::string with(std::string_view field) { return "{\"prompt\":\"hi\"," + std::string(field) + "}"; }

template <class ErrorType = ConfigError>
void expect_refused(std::string_view line, std::vector<std::string_view> parts) {
  SCOPED_TRACE(line);
  parts.push_back("in.jsonl:7: ");
  expect_throw<ErrorType>([&] { parse(line); }, parts);
}

TEST(RequestParser, ShortRowHasDocumentedDefaults) {
  const Request r = parse(R"({"prompt":"hi"})");
  EXPECT_EQ(std::get<std::string>(r.prompt), "hi");
  EXPECT_EQ(r.index, 5);
  EXPECT_EQ(r.custom_id, "request-7");
  EXPECT_EQ(r.model, "");
  EXPECT_EQ(r.max_tokens, 16);
  EXPECT_TRUE(r.sampling.is_plain_argmax());
  EXPECT_EQ(r.sampling.top_k, 0);
  EXPECT_EQ(r.sampling.top_p, 1.0);
  EXPECT_EQ(r.sampling.min_p, 0.0);
  EXPECT_EQ(r.sampling.seed, default_row_seed(0, 5));
  EXPECT_TRUE(r.stop.empty());
  EXPECT_FALSE(r.ignore_eos);
  EXPECT_FALSE(r.return_token_ids);
}

TEST(RequestParser, ShortRowReadsEveryField) {
  const Request r = parse(
      R"({"prompt":[1,0,2147483647],"custom_id":"a","max_tokens":3,"temperature":0.5,"top_k":40,"top_p":0.9,)"
      R"("min_p":0.05,"repetition_penalty":1.1,"seed":18446744073709551615,"stop":["\n\n","Ende"],"ignore_eos":true,)"
      R"("return_token_ids":true,"model":"m","user":"u","stream":false})");
  const std::vector<TokenId> ids{TokenId(1), TokenId(0), TokenId(2147483647)};
  EXPECT_EQ(std::get<std::vector<TokenId>>(r.prompt), ids);
  EXPECT_EQ(r.custom_id, "a");
  EXPECT_EQ(r.max_tokens, 3);
  EXPECT_EQ(r.sampling.temperature, 0.5);
  EXPECT_EQ(r.sampling.top_k, 40);
  EXPECT_EQ(r.sampling.top_p, 0.9);
  EXPECT_EQ(r.sampling.min_p, 0.05);
  EXPECT_EQ(r.sampling.repetition_penalty, 1.1);
  EXPECT_EQ(r.sampling.seed, UINT64_MAX);
  EXPECT_EQ(r.stop, (std::vector<std::string>{"\n\n", "Ende"}));
  EXPECT_TRUE(r.ignore_eos);
  EXPECT_TRUE(r.return_token_ids);
  EXPECT_EQ(r.model, "m");
}

TEST(RequestParser, BatchRowReadsItsBody) {
  const Request r = parse(
      R"({"custom_id":"x","method":"POST","url":"/v1/completions","body":{"model":"m","prompt":"p","max_tokens":2,"n":1}})");
  EXPECT_EQ(r.custom_id, "x");
  EXPECT_EQ(r.model, "m");
  EXPECT_EQ(std::get<std::string>(r.prompt), "p");
  EXPECT_EQ(r.max_tokens, 2);
}

TEST(RequestParser, NullMeansNotGiven) {
  const Request r =
      parse(with(R"("max_tokens":null,"stop":null,"seed":null,"custom_id":null,"logprobs":null,"n":null)"));
  EXPECT_EQ(r.max_tokens, 16);
  EXPECT_EQ(r.custom_id, "request-7");
}

TEST(RequestParser, AcceptsEdgesOfRanges) {
  EXPECT_EQ(parse(with(R"("top_k":-1)")).sampling.top_k, 0);
  EXPECT_EQ(parse(with(R"("temperature":0.0001)")).sampling.temperature, 0.0001);
  EXPECT_EQ(parse(with(R"("temperature":1)")).sampling.temperature, 1.0);
  EXPECT_EQ(parse(with(R"("seed":-1)")).sampling.seed, UINT64_MAX);
  EXPECT_EQ(parse(with(R"("stop":"x")")).stop, std::vector<std::string>{"x"});
  EXPECT_TRUE(parse(with(R"("stop":[])")).stop.empty());
  EXPECT_EQ(std::get<std::string>(parse(R"({"prompt":""})").prompt), "");
  EXPECT_EQ(std::get<std::string>(parse("{\"prompt\":\"\xC3\xA9\\u00e9\\u0000\"}").prompt),
            std::string("\xC3\xA9\xC3\xA9\0", 5));
}

TEST(RequestParser, RefusesValuesOutOfRangeNamingThem) {
  expect_refused(with(R"("max_tokens":0)"), {"max_tokens is 0; accepted: an integer from 1 to 2147483647"});
  expect_refused(with(R"("max_tokens":1.5)"), {"max_tokens is 1.5"});
  expect_refused(with(R"("max_tokens":"9")"), {"max_tokens is \"9\""});
  expect_refused(with(R"("max_tokens":18446744073709551615)"), {"max_tokens is 18446744073709551615"});
  expect_refused(with(R"("temperature":-0.1)"), {"temperature is -0.1; accepted: 0 (greedy)"});
  expect_refused(with(R"("temperature":1e-5)"), {"temperature is 1e-05"});
  expect_refused(with(R"("temperature":101)"), {"temperature is 101"});
  expect_refused(with(R"("top_k":-2)"), {"top_k is -2; accepted: an integer from -1"});
  expect_refused(with(R"("top_p":0)"), {"top_p is 0; accepted: a number above 0 and at most 1"});
  expect_refused(with(R"("top_p":1.01)"), {"top_p is 1.01"});
  expect_refused(with(R"("min_p":-1)"), {"min_p is -1; accepted: a number from 0 to 1"});
  expect_refused(with(R"("repetition_penalty":0)"), {"repetition_penalty is 0"});
  expect_refused(with(R"("seed":1.0)"), {"seed is 1.0; accepted: an integer"});
  expect_refused(with(R"("ignore_eos":1)"), {"ignore_eos is 1; accepted: true or false"});
  expect_refused(with(R"("model":3)"), {"model is 3; accepted: a string"});
  expect_refused(with(R"("custom_id":"")"), {"custom_id is \"\"; accepted: a non-empty string"});
  expect_refused(with(R"("custom_id":5)"), {"custom_id is 5"});
}

TEST(RequestParser, RefusesBadPrompts) {
  expect_refused("{}", {"prompt is missing; accepted: a string or a non-empty list of token ids"});
  expect_refused(R"({"prompt":null})", {"prompt is missing"});
  expect_refused(R"({"prompt":[]})", {"prompt is []"});
  expect_refused(R"({"prompt":3})", {"prompt is 3"});
  expect_refused(R"({"prompt":["a"]})", {"prompt[0] is \"a\""});
  expect_refused(R"({"prompt":[1,-2]})", {"prompt[1] is -2"});
  expect_refused(R"({"prompt":[1,2147483648]})", {"prompt[1] is 2147483648"});
  expect_refused(R"({"prompt":[[1]]})", {"prompt[0] is [1]"});
}

TEST(RequestParser, RefusesBadStops) {
  expect_refused(with(R"("stop":"")"), {"stop is \"\"; accepted: a non-empty string or a list of at most 16"});
  expect_refused(with(R"("stop":["a",""])"), {"stop is [\"a\",\"\"]"});
  expect_refused(with(R"("stop":[1])"), {"stop is [1]"});
  expect_refused(with(R"("stop":5)"), {"stop is 5"});
  std::string many = "\"stop\":[\"x\"";
  for (int i = 0; i < 16; ++i) many += ",\"x\"";
  expect_refused(with(many + "]"), {"at most 16"});
}

TEST(RequestParser, RefusesUnknownAndUnsupportedFieldsByName) {
  expect_refused(with(R"("max_token":5)"), {"unknown key \"max_token\"", "max_tokens", "custom_id"});
  expect_refused(with(R"("n":2)"), {"n is 2, which is not supported; accepted: 1"});
  expect_refused(with(R"("best_of":4)"), {"best_of is 4"});
  expect_refused(with(R"("echo":true)"), {"echo is true, which is not supported; accepted: false"});
  expect_refused(with(R"("logprobs":0)"), {"logprobs is 0"});
  expect_refused(with(R"("stream":true)"), {"stream is true"});
  expect_refused(with(R"("suffix":"x")"), {"suffix is \"x\""});
  expect_refused(with(R"("presence_penalty":0.5)"), {"presence_penalty is 0.5"});
  expect_refused(with(R"("logit_bias":{"5":1})"), {"logit_bias"});
  expect_refused(R"({"messages":[{"role":"user","content":"x"}]})", {"messages: chat requests are not supported"});
  EXPECT_NO_THROW(parse(with(R"("presence_penalty":0.0,"frequency_penalty":0,"logit_bias":{},"echo":false)")));
}

TEST(RequestParser, RefusesBadBatchRows) {
  expect_refused(R"({"custom_id":"x","method":"POST","url":"/v1/chat/completions","body":{"messages":[]}})",
                 {"url is \"/v1/chat/completions\": chat requests are not supported", "/v1/completions"});
  expect_refused(R"({"custom_id":"x","method":"POST","url":"/v1/embeddings","body":{}})",
                 {"url is \"/v1/embeddings\"; accepted: \"/v1/completions\""});
  expect_refused(R"({"custom_id":"x","method":"GET","url":"/v1/completions","body":{}})", {"method is \"GET\""});
  expect_refused(R"({"method":"POST","url":"/v1/completions","body":{"prompt":"p"}})", {"custom_id is missing"});
  expect_refused(R"({"custom_id":"x","method":"POST","body":{"prompt":"p"}})", {"url is missing"});
  expect_refused(R"({"custom_id":"x","method":"POST","url":"/v1/completions"})", {"body is missing"});
  expect_refused(R"({"custom_id":"x","method":"POST","url":"/v1/completions","body":[]})", {"body is []"});
  expect_refused(R"({"custom_id":"x","url":"/v1/completions","body":{"prompt":"p","top_p":2}})", {"body.top_p is 2"});
  expect_refused(R"({"custom_id":"x","url":"/v1/completions","body":{"prompt":"p"},"prompt":"q"})",
                 {"unknown key \"prompt\""});
  expect_refused(R"({"custom_id":"x","url":"/v1/completions","body":{"prompt":"p","custom_id":"y"}})",
                 {"body.unknown key \"custom_id\""});
}

TEST(RequestParser, DefaultSeedsDifferByRowAndJob) {
  EXPECT_NE(default_row_seed(0, 0), default_row_seed(0, 1));
  EXPECT_NE(default_row_seed(0, 0), default_row_seed(1, 0));
  // The first numbers of splitmix64 started at 0, as published: the rule may not change between versions.
  EXPECT_EQ(default_row_seed(0, 0), 0xe220a8397b1dcdafULL);
  EXPECT_EQ(default_row_seed(0, 1), 0x6e789e6aa1b965f4ULL);
}

}  // namespace
}  // namespace lockstep
