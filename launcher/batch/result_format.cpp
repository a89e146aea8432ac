#include "launcher/batch/result_format.h"

#include "core/hash.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

/// The same row of the same file has the same id in every run.
std::string row_id(int64_t index, const std::string& custom_id) {
  return hash128(custom_id, Hash128{static_cast<uint64_t>(index), 0}).to_string();
}

}  // namespace

std::string format_result(const Request& request, const Result& result, std::string_view default_model) {
  const std::string id = row_id(result.index, result.custom_id);
  Json choice{
      {"index", 0}, {"text", result.text}, {"finish_reason", name_of(result.finish_reason)}, {"logprobs", nullptr}};
  if (request.return_token_ids) {
    Json ids = Json::array();
    for (const TokenId token : result.token_ids) ids.push_back(token.value());
    choice["token_ids"] = std::move(ids);
  }
  const Json body{{"id", "cmpl-" + id},
                  {"object", "text_completion"},
                  // Clients expect the key; a time would make two runs differ.
                  {"created", 0},
                  {"model", request.model.empty() ? std::string(default_model) : request.model},
                  {"choices", Json::array({std::move(choice)})},
                  {"usage",
                   {{"prompt_tokens", result.prompt_tokens},
                    {"completion_tokens", result.completion_tokens},
                    {"total_tokens", result.prompt_tokens + result.completion_tokens}}}};
  const Json line{{"id", "batch_req_" + id},
                  {"custom_id", result.custom_id},
                  {"response", {{"status_code", 200}, {"request_id", "req_" + id}, {"body", body}}},
                  {"error", nullptr}};
  return line.dump();
}

std::string format_error(const RowError& error) {
  const Json line{{"id", "batch_req_" + row_id(error.index, error.custom_id)},
                  {"custom_id", error.custom_id},
                  {"response", nullptr},
                  {"error", {{"code", error.code}, {"message", error.message}}}};
  return line.dump();
}

}  // namespace lockstep
