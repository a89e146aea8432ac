#include "launcher/batch/result_format.h"

#include "core/hash.h"
#include "launcher/batch/logprobs_format.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

/// The same row of the same file has the same id in every run.
std::string row_id(int64_t index, const std::string& custom_id) {
  return hash128(custom_id, Hash128{static_cast<uint64_t>(index), 0}).to_string();
}

Json ids_of(std::span<const TokenId> tokens) {
  Json ids = Json::array();
  for (const TokenId token : tokens) ids.push_back(token.value());
  return ids;
}

std::string text_of(const Tokenizer& tokenizer, const Prompt& prompt) {
  if (const auto* text = std::get_if<std::string>(&prompt)) return *text;
  return tokenizer.decode(std::get<std::vector<TokenId>>(prompt), /*skip_special_tokens=*/true);
}

Json completion_choice(const Tokenizer& tokenizer, TokenText& token_text, const Request& request, const Result& result,
                       size_t index) {
  const size_t prompt_index = index / static_cast<size_t>(request.n);
  const PromptResult& prompt = result.prompts[prompt_index];
  const Choice& choice = result.choices[index];
  Json json{{"index", index},
            {"text", request.echo ? text_of(tokenizer, request.prompts[prompt_index]) + choice.text : choice.text},
            {"finish_reason", name_of(choice.finish_reason)},
            {"logprobs", nullptr}};
  if (request.sampling.logprobs) {
    const std::span<const TokenId> echoed = request.echo ? std::span(prompt.token_ids) : std::span<const TokenId>();
    const std::span<const TokenScore> echoed_scores =
        request.echo ? std::span(prompt.scores) : std::span<const TokenScore>();
    json["logprobs"] =
        completion_logprobs(token_text, echoed, echoed_scores, choice.scores, *request.sampling.logprobs);
  }
  if (request.lists_prompt_scores)
    json["prompt_logprobs"] = prompt_logprobs(token_text, prompt.scores, *request.sampling.prompt_logprobs);
  return json;
}

Json chat_choice(TokenText& token_text, const Request& request, const Result& result, size_t index) {
  const Choice& choice = result.choices[index];
  Json json{{"index", index},
            {"message", {{"role", "assistant"}, {"content", choice.text}}},
            {"finish_reason", name_of(choice.finish_reason)},
            {"logprobs", nullptr}};
  if (request.sampling.logprobs)
    json["logprobs"] = chat_logprobs(token_text, choice.scores, *request.sampling.logprobs);
  return json;
}

}  // namespace

ResultFormatter::ResultFormatter(const Tokenizer& tokenizer, std::string default_model, bool reports_cached_tokens)
    : tokenizer_(tokenizer),
      token_text_(tokenizer),
      default_model_(std::move(default_model)),
      reports_cached_tokens_(reports_cached_tokens) {}

std::string ResultFormatter::format(const Request& request, const Result& result) {
  const std::string id = row_id(request.index, request.custom_id);
  const bool is_chat = request.endpoint == Endpoint::kChatCompletions;
  Json choices = Json::array();
  for (size_t i = 0; i < result.choices.size(); ++i) {
    choices.push_back(is_chat ? chat_choice(token_text_, request, result, i)
                              : completion_choice(tokenizer_, token_text_, request, result, i));
    if (request.return_token_ids) choices.back()["token_ids"] = ids_of(result.choices[i].token_ids);
  }
  const int64_t prompt_tokens = result.num_prompt_tokens(), generated_tokens = result.num_generated_tokens();
  Json body{{"id", (is_chat ? "chatcmpl-" : "cmpl-") + id},
            {"object", is_chat ? "chat.completion" : "text_completion"},
            // Clients expect the key; a time would make two runs differ.
            {"created", 0},
            {"model", request.model.empty() ? default_model_ : request.model},
            {"choices", std::move(choices)},
            {"usage",
             {{"prompt_tokens", prompt_tokens},
              {"completion_tokens", generated_tokens},
              {"total_tokens", prompt_tokens + generated_tokens}}}};
  if (reports_cached_tokens_) body["usage"]["prompt_tokens_details"] = {{"cached_tokens", result.cached_tokens}};
  if (is_chat && request.lists_prompt_scores)
    body["prompt_logprobs"] =
        prompt_logprobs(token_text_, result.prompts.front().scores, *request.sampling.prompt_logprobs);
  const Json line{{"id", "batch_req_" + id},
                  {"custom_id", request.custom_id},
                  {"response", {{"status_code", 200}, {"request_id", "req_" + id}, {"body", std::move(body)}}},
                  {"error", nullptr}};
  return line.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

std::string format_error(const RowError& error) {
  const Json line{{"id", "batch_req_" + row_id(error.index, error.custom_id)},
                  {"custom_id", error.custom_id},
                  {"response", nullptr},
                  {"error", {{"code", error.code}, {"message", error.message}}}};
  return line.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

}  // namespace lockstep
