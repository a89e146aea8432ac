#include "launcher/batch/request_parser.h"

#include "core/text/chat_template.h"
#include "launcher/batch/row_fault.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

const RowPosition kPosition{7, 5};

Request parse(std::string_view line, const ParseOptions& options = {}) {
  const auto parsed = parse_request(line, kPosition, options);
  if (const auto* error = std::get_if<RowError>(&parsed)) {
    ADD_FAILURE() << line << " is refused: " << error->message;
    return {};
  }
  return std::get<Request>(parsed);
}

/// A short row with one more field.
std::string with(std::string_view field) { return "{\"prompt\":\"hi\"," + std::string(field) + "}"; }
std::string chat_with(std::string_view field) {
  return "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]," + std::string(field) + "}";
}

/// The row's error has the code and all parts in its message.
void expect_refused(std::string_view line, std::string_view code, std::vector<std::string_view> parts) {
  SCOPED_TRACE(line);
  const auto parsed = parse_request(line, kPosition);
  ASSERT_TRUE(std::holds_alternative<RowError>(parsed));
  const RowError& error = std::get<RowError>(parsed);
  EXPECT_EQ(error.code, code) << error.message;
  EXPECT_EQ(error.index, 5);
  parts.push_back("line 7: ");
  for (const std::string_view part : parts) EXPECT_NE(error.message.find(part), error.message.npos) << error.message;
}
void expect_refused(std::string_view line, std::vector<std::string_view> parts) {
  expect_refused(line, kInvalidValue, std::move(parts));
}

TEST(RequestParser, ShortRowHasDocumentedDefaults) {
  const Request r = parse(R"({"prompt":"hi"})");
  EXPECT_EQ(std::get<std::string>(r.prompts.at(0)), "hi");
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
      R"("return_token_ids":true,"model":"m","user":"u","stream":false,"n":3,"min_tokens":2,"stop_token_ids":[4,5],"presence_penalty":0.5,)"
      R"("frequency_penalty":-0.25,"logit_bias":{"7":-100,"3":1.5},"logprobs":2,"prompt_logprobs":1,"echo":true})");
  const std::vector<TokenId> ids{TokenId(1), TokenId(0), TokenId(2147483647)};
  EXPECT_EQ(std::get<std::vector<TokenId>>(r.prompts.at(0)), ids);
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
  EXPECT_EQ(r.n, 3);
  EXPECT_EQ(r.sampling.min_tokens, 2);
  EXPECT_EQ(r.stop_token_ids, (std::vector<TokenId>{TokenId(4), TokenId(5)}));
  EXPECT_EQ(r.sampling.presence_penalty, 0.5);
  EXPECT_EQ(r.sampling.frequency_penalty, -0.25);
  ASSERT_EQ(r.sampling.logit_bias.size(), 2U);
  EXPECT_EQ(r.sampling.logit_bias[0].token, TokenId(3));
  EXPECT_EQ(r.sampling.logit_bias[1].bias, -100.0F);
  EXPECT_EQ(r.sampling.logprobs, 2);
  EXPECT_EQ(r.sampling.prompt_logprobs, 2) << "echo and logprobs ask for more than prompt_logprobs";
  EXPECT_TRUE(r.echo);
  EXPECT_TRUE(r.lists_prompt_scores);
}

TEST(RequestParser, ListsOfPrompts) {
  const Request r = parse(R"({"prompt":["a",[1,2],"c"],"n":2})");
  ASSERT_EQ(r.prompts.size(), 3U);
  EXPECT_EQ(std::get<std::string>(r.prompts[2]), "c");
  EXPECT_EQ(std::get<std::vector<TokenId>>(r.prompts[1]).size(), 2U);
  EXPECT_EQ(r.num_choices(), 6);
}

TEST(RequestParser, RowsHaveABoundedNumberOfChoices) {
  std::string prompts = "{\"prompt\":[\"x\"";
  for (int i = 1; i < 64; ++i) prompts += ",\"x\"";
  EXPECT_EQ(parse(prompts + "],\"n\":64}").num_choices(), 4096);
  expect_refused(prompts + "],\"n\":65}", {"n is 65; accepted: at most 4096 choices of all prompts"});
}

TEST(RequestParser, MaxTokens) {
  EXPECT_EQ(parse(with(R"("max_completion_tokens":9)")).max_tokens, 9);
  EXPECT_EQ(parse(with(R"("max_completion_tokens":9,"max_tokens":9)")).max_tokens, 9);
  expect_refused(with(R"("max_completion_tokens":9,"max_tokens":8)"), {"max_completion_tokens is 9"});
  EXPECT_EQ(parse(with(R"("max_tokens":0,"echo":true,"logprobs":0)")).max_tokens, 0);
  EXPECT_EQ(parse(chat_with(R"("n":1)")).max_tokens, std::nullopt) << "a chat goes on as long as there is room";
  expect_refused(with(R"("max_tokens":4,"min_tokens":5)"), {"min_tokens is 5; accepted: at most max_tokens (4)"});
  ParseOptions options;
  options.defaults.max_tokens = 77;
  EXPECT_EQ(parse(with(R"("n":1)"), options).max_tokens, 77);
  EXPECT_EQ(parse(with(R"("max_tokens":5)"), options).max_tokens, 5);
}

TEST(RequestParser, RowsOverrideTheDefaults) {
  ParseOptions options;
  options.defaults.sampling.temperature = 0.6;
  options.defaults.sampling.top_k = 20;
  options.return_token_ids = true;
  const Request r = parse(with(R"("top_k":5)"), options);
  EXPECT_EQ(r.sampling.temperature, 0.6);
  EXPECT_EQ(r.sampling.top_k, 5);
  EXPECT_TRUE(r.return_token_ids);
  EXPECT_EQ(parse(with(R"("temperature":0)"), options).sampling.temperature, 0.0);
}

TEST(RequestParser, BatchRowReadsItsBody) {
  const Request r = parse(
      R"({"custom_id":"x","method":"POST","url":"/v1/completions","body":{"model":"m","prompt":"p","max_tokens":2,"n":1}})");
  EXPECT_EQ(r.custom_id, "x");
  EXPECT_EQ(r.model, "m");
  EXPECT_EQ(std::get<std::string>(r.prompts.at(0)), "p");
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
  EXPECT_EQ(std::get<std::string>(parse(R"({"prompt":""})").prompts.at(0)), "");
  EXPECT_EQ(std::get<std::string>(parse("{\"prompt\":\"\xC3\xA9\\u00e9\\u0000\"}").prompts.at(0)),
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
  expect_refused("{}", kMissingField, {"prompt is missing; accepted: a string, a non-empty list of token ids"});
  expect_refused(R"({"prompt":null})", kMissingField, {"prompt is missing"});
  expect_refused(R"({"prompt":[]})", {"prompt is []"});
  expect_refused(R"({"prompt":3})", {"prompt is 3"});
  expect_refused(R"({"prompt":["a",7]})", {"prompt[1] is 7"});
  expect_refused(R"({"prompt":["a",[]]})", {"prompt[1] is []"});
  expect_refused(R"({"prompt":[1,-2]})", {"prompt[1] is -2"});
  expect_refused(R"({"prompt":[1,2147483648]})", {"prompt[1] is 2147483648"});
  expect_refused(R"({"prompt":[[1],["a"]]})", {"prompt[1][0] is \"a\""});
}

TEST(RequestParser, RefusesBadStops) {
  expect_refused(with(R"("stop":"")"),
                 {"stop is \"\"; accepted: a non-empty string of at most 1024 bytes or a list of at most 16"});
  expect_refused(with(R"("stop":["a",""])"), {"stop is [\"a\",\"\"]"});
  expect_refused(with(R"("stop":[1])"), {"stop is [1]"});
  expect_refused(with(R"("stop":5)"), {"stop is 5"});
  std::string many = "\"stop\":[\"x\"";
  for (int i = 0; i < 16; ++i) many += ",\"x\"";
  expect_refused(with(many + "]"), {"at most 16"});
  expect_refused(with("\"stop\":\"" + std::string(1025, 'x') + "\""), {"at most 1024 bytes"});
}

TEST(RequestParser, RefusesUnknownAndUnsupportedFieldsByName) {
  expect_refused(with(R"("max_token":5)"), kUnknownField, {"unknown key \"max_token\"", "max_tokens"});
  expect_refused(with(R"("best_of":4)"), kUnsupportedField, {"best_of is 4, which is not supported; accepted: 1"});
  expect_refused(with(R"("stream":true)"), kUnsupportedField, {"stream is true"});
  expect_refused(with(R"("suffix":"x")"), kUnsupportedField, {"suffix is \"x\""});
  expect_refused(with(R"("response_format":{"type":"json_object"})"), kUnsupportedField, {"response_format"});
  expect_refused(with(R"("top_logprobs":2)"), kUnknownField, {"top_logprobs"});
  expect_refused(chat_with(R"("prompt":"x")"), kUnknownField, {"prompt"});
  expect_refused(chat_with(R"("echo":true)"), kUnsupportedField, {"echo is true"});
  parse(with(R"("best_of":1,"stream":null,"response_format":{"type":"text"},"metadata":{"a":1},"store":true)"));
}

TEST(RequestParser, LenientRowsPassOverWhatIsNotSupported) {
  const auto parsed = parse_request(with(R"("max_token":5,"stream":true,"best_of":1)"), kPosition, {.lenient = true});
  EXPECT_EQ(std::get<Request>(parsed).ignored_fields, (std::vector<std::string>{"max_token", "stream"}));
  EXPECT_TRUE(std::holds_alternative<RowError>(parse_request(with(R"("n":0)"), kPosition, {.lenient = true})))
      << "a wrong value is not a field that is unknown";
}

TEST(RequestParser, RefusesBadRanges) {
  expect_refused(with(R"("n":0)"), {"n is 0; accepted: an integer from 1 to 128"});
  expect_refused(with(R"("presence_penalty":2.5)"), {"presence_penalty is 2.5; accepted: a number from -2 to 2"});
  expect_refused(with(R"("frequency_penalty":"a")"), {"frequency_penalty is \"a\""});
  expect_refused(with(R"("logit_bias":{"x":1})"), {"logit_bias[\"x\"] is 1"});
  expect_refused(with(R"("logit_bias":{"5":101})"), {"logit_bias[\"5\"] is 101"});
  expect_refused(with(R"("logit_bias":{"5":1,"05":2})"), {"each token id once"});
  expect_refused(with(R"("logit_bias":[1])"), {"logit_bias is [1]"});
  expect_refused(with(R"("logprobs":21)"), {"logprobs is 21; accepted: an integer from 0 to 20"});
  expect_refused(with(R"("stop_token_ids":[-1])"), {"stop_token_ids[0] is -1"});
  expect_refused(chat_with(R"("logprobs":5)"), {"logprobs is 5; accepted: true or false"});
  expect_refused(chat_with(R"("top_logprobs":5)"), {"top_logprobs is 5"});
}

TEST(RequestParser, ChatRows) {
  const Request r =
      parse(R"({"custom_id":"c","method":"POST","url":"/v1/chat/completions","body":{"model":"m","messages":[)"
            R"({"role":"system","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},)"
            R"({"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f",)"
            R"("arguments":"{\"z\":1,\"a\":[2]}"}}]},{"role":"user","content":"x","name":"n"}],"logprobs":true,)"
            R"("top_logprobs":3,"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"auto",)"
            R"("chat_template_kwargs":{"enable_thinking":false},"add_generation_prompt":false}})");
  EXPECT_EQ(r.endpoint, Endpoint::kChatCompletions);
  EXPECT_FALSE(r.add_special_tokens);
  EXPECT_EQ(r.sampling.logprobs, 3);
  ASSERT_TRUE(r.chat);
  EXPECT_EQ(r.chat->messages[0]["content"], "a\nb");
  EXPECT_EQ(r.chat->messages[1]["tool_calls"][0]["function"]["arguments"].dump(), R"({"z":1,"a":[2]})");
  EXPECT_EQ(r.chat->messages[2]["name"], "n");
  EXPECT_EQ(r.chat->tools.size(), 1U);
  EXPECT_EQ(r.chat->extra["enable_thinking"], false);
  EXPECT_FALSE(r.chat->add_generation_prompt);
}

TEST(RequestParser, ToolsAreLeftOutWhereTheRowForbidsThem) {
  EXPECT_TRUE(parse(chat_with(R"("tools":[{"type":"function"}],"tool_choice":"none")")).chat->tools.is_null());
  expect_refused(chat_with(R"("tools":[{}],"tool_choice":"required")"), kUnsupportedField, {"tool_choice"});
  expect_refused(chat_with(R"("tools":{})"), {"tools is {}"});
}

TEST(RequestParser, RefusesBadConversations) {
  const auto of = [](std::string_view message) { return "{\"messages\":[" + std::string(message) + "]}"; };
  expect_refused(of(""), {"messages is []"});
  expect_refused(of("3"), {"messages[0] is 3"});
  expect_refused(of(R"({"content":"x"})"), kMissingField, {"messages[0].role is missing"});
  expect_refused(of(R"({"role":"user"})"), kMissingField, {"messages[0].content is missing"});
  expect_refused(of(R"({"role":"user","content":5})"), {"messages[0].content is 5"});
  expect_refused(of(R"({"role":"user","content":[{"type":"image_url","image_url":{}}]})"), kUnsupportedField,
                 {"messages[0].content[0]"});
  expect_refused(of(R"({"role":"assistant","tool_calls":[{"function":{"arguments":"{"}}]})"), kInvalidJson,
                 {"messages[0].tool_calls[0].function.arguments"});
}

TEST(RequestParser, RefusesBadBatchRows) {
  expect_refused(R"({"custom_id":"x","method":"POST","url":"/v1/embeddings","body":{}})", kUnsupportedUrl,
                 {"url is \"/v1/embeddings\"; accepted: \"/v1/completions\""});
  expect_refused(R"({"custom_id":"x","method":"GET","url":"/v1/completions","body":{}})", {"method is \"GET\""});
  expect_refused(R"({"method":"POST","url":"/v1/completions","body":{"prompt":"p"}})", kMissingField,
                 {"custom_id is missing"});
  expect_refused(R"({"custom_id":"x","method":"POST","body":{"prompt":"p"}})", kMissingField, {"url is missing"});
  expect_refused(R"({"custom_id":"x","method":"POST","url":"/v1/completions"})", kMissingField, {"body is missing"});
  expect_refused(R"({"custom_id":"x","method":"POST","url":"/v1/completions","body":[]})", {"body is []"});
  expect_refused(R"({"custom_id":"x","url":"/v1/completions","body":{"prompt":"p","top_p":2}})", {"body.top_p is 2"});
  expect_refused(R"({"custom_id":"x","url":"/v1/completions","body":{"prompt":"p"},"prompt":"q"})", kUnknownField,
                 {"unknown key \"prompt\""});
  expect_refused(R"({"custom_id":"x","url":"/v1/completions","body":{"prompt":"p","custom_id":"y"}})", kUnknownField,
                 {"body.unknown key \"custom_id\""});
  expect_refused("{\"prompt\":", kInvalidJson, {"not a JSON object"});
}

TEST(RequestParser, ErrorsKeepTheNameOfTheirRow) {
  const auto parsed = parse_request(R"({"custom_id":"mine","prompt":5})", kPosition);
  EXPECT_EQ(std::get<RowError>(parsed).custom_id, "mine");
  EXPECT_EQ(std::get<RowError>(parse_request("{", kPosition)).custom_id, "request-7");
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
