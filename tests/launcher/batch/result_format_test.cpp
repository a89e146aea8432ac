#include "launcher/batch/result_format.h"

#include "tests/launcher/batch/byte_tokenizer.h"

#include <cmath>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

Request request_of(std::string model = "") {
  Request request;
  request.index = 3;
  request.custom_id = "a\"b";
  request.model = std::move(model);
  request.prompts = {Prompt(std::string("What?"))};
  return request;
}

std::vector<TokenId> bytes_of(std::string_view text) { return ByteTokenizer().encode(text, false); }

Result result_of() {
  Result result;
  result.prompts = {{bytes_of("What"), {}}};
  result.choices = {{bytes_of("ab"), "caf\xC3\xA9\n", FinishReason::kStop, {}}};
  return result;
}

std::string format_result(const Request& request, const Result& result, const std::string& model,
                          bool reports_cached_tokens = false) {
  const ByteTokenizer tokenizer;
  return ResultFormatter(tokenizer, model, reports_cached_tokens).format(request, result);
}

Json body_of(const Request& request, const Result& result) {
  return Json::parse(format_result(request, result, "tiny"))["response"]["body"];
}

TEST(ResultFormat, HasTheOpenAiBatchForm) {
  const std::string line = format_result(request_of(), result_of(), "tiny");
  EXPECT_EQ(line.find('\n'), line.npos);
  const Json json = Json::parse(line);
  EXPECT_EQ(json["custom_id"], "a\"b");
  EXPECT_TRUE(json["error"].is_null());
  EXPECT_EQ(json["response"]["status_code"], 200);
  const Json& body = json["response"]["body"];
  EXPECT_EQ(body["object"], "text_completion");
  EXPECT_EQ(body["model"], "tiny");
  EXPECT_EQ(body["choices"][0]["text"], "caf\xC3\xA9\n");
  EXPECT_EQ(body["choices"][0]["finish_reason"], "stop");
  EXPECT_TRUE(body["choices"][0]["logprobs"].is_null());
  EXPECT_FALSE(body["choices"][0].contains("token_ids"));
  EXPECT_EQ(body["usage"], (Json{{"prompt_tokens", 4}, {"completion_tokens", 2}, {"total_tokens", 6}}));
}

TEST(ResultFormat, TheWholeLineIsFixed) {
  const std::string line = format_result(request_of(), result_of(), "tiny");
  const Json json = Json::parse(line);
  const std::string hash = json["id"].get<std::string>().substr(std::string("batch_req_").size());
  EXPECT_EQ(hash.size(), 32u);
  EXPECT_EQ(line, "{\"id\":\"batch_req_" + hash +
                      "\",\"custom_id\":\"a\\\"b\",\"response\":{\"status_code\":200,\"request_id\":\"req_" + hash +
                      "\",\"body\":{\"id\":\"cmpl-" + hash +
                      "\",\"object\":\"text_completion\",\"created\":0,\"model\":\"tiny\",\"choices\":[{\"index\":0,"
                      "\"text\":\"caf\xC3\xA9\\n\",\"finish_reason\":\"stop\",\"logprobs\":null}],\"usage\":{"
                      "\"prompt_tokens\":4,\"completion_tokens\":2,\"total_tokens\":6}}},\"error\":null}");
}

TEST(ResultFormat, IdsDependOnRowAndCustomIdOnly) {
  const auto id_of = [](const Request& request, const Result& result) {
    return Json::parse(format_result(request, result, "tiny"))["id"].get<std::string>();
  };
  Request other_row = request_of(), other_name = request_of();
  Result other_text = result_of();
  other_text.choices[0].text = "other";
  other_row.index = 4;
  other_name.custom_id = "c";
  EXPECT_EQ(id_of(request_of(), result_of()), id_of(request_of(), other_text));
  EXPECT_NE(id_of(request_of(), result_of()), id_of(other_row, result_of()));
  EXPECT_NE(id_of(request_of(), result_of()), id_of(other_name, result_of()));
}

TEST(ResultFormat, EchoesTheModelAndGivesTokenIdsWhenAsked) {
  Request request = request_of("mine");
  request.return_token_ids = true;
  Result result = result_of();
  result.choices[0].finish_reason = FinishReason::kLength;
  const Json body = body_of(request, result);
  EXPECT_EQ(body["model"], "mine");
  EXPECT_EQ(body["choices"][0]["token_ids"], (Json{97, 98}));
  EXPECT_EQ(body["choices"][0]["finish_reason"], "length");
}

TEST(ResultFormat, ChoicesOfSeveralPrompts) {
  Request request = request_of();
  request.prompts.push_back(std::string("Why"));
  request.n = 2;
  request.echo = true;
  Result result;
  result.prompts = {{bytes_of("What"), {}}, {bytes_of("Why"), {}}};
  for (const char* text : {"1", "2", "3", "4"})
    result.choices.push_back({bytes_of(text), text, FinishReason::kStop, {}});
  const Json body = body_of(request, result);
  ASSERT_EQ(body["choices"].size(), 4U);
  EXPECT_EQ(body["choices"][1]["text"], "What?2") << "the text as it was given";
  EXPECT_EQ(body["choices"][2]["text"], "Why3");
  EXPECT_EQ(body["choices"][3]["index"], 3);
  EXPECT_EQ(body["usage"], (Json{{"prompt_tokens", 7}, {"completion_tokens", 4}, {"total_tokens", 11}}));
}

TEST(ResultFormat, ChatForm) {
  Request request = request_of();
  request.endpoint = Endpoint::kChatCompletions;
  const Json body = body_of(request, result_of());
  EXPECT_EQ(body["object"], "chat.completion");
  EXPECT_TRUE(body["id"].get<std::string>().starts_with("chatcmpl-"));
  EXPECT_EQ(body["choices"][0]["message"], (Json{{"role", "assistant"}, {"content", "caf\xC3\xA9\n"}}));
  EXPECT_FALSE(body["choices"][0].contains("text"));
}

TEST(ResultFormat, CachedTokensOnlyOnDemand) {
  Result result = result_of();
  result.cached_tokens = 2;
  EXPECT_FALSE(body_of(request_of(), result)["usage"].contains("prompt_tokens_details"));
  const Json usage = Json::parse(format_result(request_of(), result, "m", true))["response"]["body"]["usage"];
  EXPECT_EQ(usage["prompt_tokens_details"]["cached_tokens"], 2);
}

TEST(ResultFormat, EchoedLogprobsBeginWithThePrompt) {
  Request request = request_of();
  request.prompts = {Prompt(bytes_of("hi"))};
  request.echo = true;
  request.sampling.logprobs = 1;
  request.lists_prompt_scores = true;
  request.sampling.prompt_logprobs = 1;
  Result result;
  result.prompts = {{bytes_of("hi"), {{TokenId('i'), -0.5F, 2, {{TokenId('o'), -0.25F}}}}}};
  result.choices = {{bytes_of("x"), "x", FinishReason::kLength, {{TokenId('x'), -1.0F, 1, {{TokenId('x'), -1.0F}}}}}};
  const Json choice = body_of(request, result)["choices"][0];
  EXPECT_EQ(choice["text"], "hix");
  EXPECT_EQ(choice["logprobs"]["tokens"], (Json{"h", "i", "x"}));
  EXPECT_EQ(choice["logprobs"]["token_logprobs"], (Json{nullptr, -0.5, -1.0}));
  EXPECT_EQ(choice["logprobs"]["text_offset"], (Json{0, 1, 2}));
  EXPECT_EQ(choice["logprobs"]["top_logprobs"][0], nullptr);
  EXPECT_EQ(choice["logprobs"]["top_logprobs"][1], (Json{{"o", -0.25}, {"i", -0.5}}));
  ASSERT_EQ(choice["prompt_logprobs"].size(), 2U);
  EXPECT_EQ(choice["prompt_logprobs"][1]["105"], (Json{{"logprob", -0.5}, {"rank", 2}, {"decoded_token", "i"}}));
  EXPECT_EQ(choice["prompt_logprobs"][1]["111"]["rank"], 1);
}

TEST(ResultFormat, ChatLogprobs) {
  Request request = request_of();
  request.endpoint = Endpoint::kChatCompletions;
  request.sampling.logprobs = 2;
  Result result = result_of();
  result.choices[0].scores = {{TokenId('a'), -0.1F, 1, {{TokenId('a'), -0.1F}, {TokenId('b'), -INFINITY}}}};
  const Json content = body_of(request, result)["choices"][0]["logprobs"]["content"];
  ASSERT_EQ(content.size(), 1U);
  EXPECT_EQ(content[0]["token"], "a");
  EXPECT_EQ(content[0]["logprob"].dump(), "-0.1") << "the shortest number that is this float";
  EXPECT_EQ(content[0]["bytes"], (Json{97}));
  EXPECT_EQ(content[0]["top_logprobs"][1]["logprob"], -9999.0);
}

TEST(ResultFormat, ErrorsHaveNoResponse) {
  const Json json = Json::parse(format_error({7, "x", "prompt_too_long", "prompt has 9 tokens; at most 8"}));
  EXPECT_EQ(json["custom_id"], "x");
  EXPECT_TRUE(json["response"].is_null());
  EXPECT_EQ(json["error"]["code"], "prompt_too_long");
  EXPECT_EQ(json["error"]["message"], "prompt has 9 tokens; at most 8");
}

}  // namespace
}  // namespace lockstep
