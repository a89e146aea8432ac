#include "launcher/batch/result_format.h"

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
  return request;
}

Result result_of() { return {3, "a\"b", {TokenId(5), TokenId(9)}, "caf\xC3\xA9\n", FinishReason::kStop, 4, 2}; }

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
  const auto id_of = [](const Result& result) {
    return Json::parse(format_result(request_of(), result, "tiny"))["id"].get<std::string>();
  };
  Result same = result_of(), other_row = result_of(), other_name = result_of();
  same.text = "other";
  other_row.index = 4;
  other_name.custom_id = "c";
  EXPECT_EQ(id_of(result_of()), id_of(same));
  EXPECT_NE(id_of(result_of()), id_of(other_row));
  EXPECT_NE(id_of(result_of()), id_of(other_name));
}

TEST(ResultFormat, EchoesTheModelAndGivesTokenIdsWhenAsked) {
  Request request = request_of("mine");
  request.return_token_ids = true;
  Result result = result_of();
  result.finish_reason = FinishReason::kLength;
  const Json body = Json::parse(format_result(request, result, "tiny"))["response"]["body"];
  EXPECT_EQ(body["model"], "mine");
  EXPECT_EQ(body["choices"][0]["token_ids"], (Json{5, 9}));
  EXPECT_EQ(body["choices"][0]["finish_reason"], "length");
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
