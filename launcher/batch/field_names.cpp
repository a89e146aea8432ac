#include "launcher/batch/field_names.h"

#include "launcher/batch/row_fault.h"

#include <algorithm>
#include <array>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <span>

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;
using Names = std::span<const std::string_view>;

constexpr auto kEnvelope = std::to_array<std::string_view>({"custom_id", "method", "url", "body"});
constexpr auto kCommon = std::to_array<std::string_view>({"model",
                                                          "max_tokens",
                                                          "max_completion_tokens",
                                                          "temperature",
                                                          "top_p",
                                                          "top_k",
                                                          "min_p",
                                                          "n",
                                                          "seed",
                                                          "stop",
                                                          "stop_token_ids",
                                                          "ignore_eos",
                                                          "min_tokens",
                                                          "presence_penalty",
                                                          "frequency_penalty",
                                                          "repetition_penalty",
                                                          "logit_bias",
                                                          "logprobs",
                                                          "prompt_logprobs",
                                                          "add_special_tokens",
                                                          "return_token_ids"});
constexpr auto kCompletionsOnly = std::to_array<std::string_view>({"prompt", "echo"});
constexpr auto kChatOnly = std::to_array<std::string_view>(
    {"messages", "top_logprobs", "tools", "tool_choice", "chat_template_kwargs", "add_generation_prompt"});
/// They tell a service who asks, or how to keep and bill: nothing that an answer depends on.
constexpr auto kWithoutEffect =
    std::to_array<std::string_view>({"user", "metadata", "store", "service_tier", "safety_identifier",
                                     "prompt_cache_key", "parallel_tool_calls", "priority", "request_id"});

/// Fields that are accepted only where they change nothing; other values are not supported.
struct NeutralField {
  std::string_view key;
  std::string_view neutral_json;
  std::string_view also_neutral_json = neutral_json;
};
constexpr NeutralField kNeutralFields[] = {{"stream", "false"},
                                           {"best_of", "1"},
                                           {"echo", "false"},
                                           {"suffix", "\"\""},
                                           {"stream_options", "null"},
                                           {"use_beam_search", "false"},
                                           {"length_penalty", "1"},
                                           {"early_stopping", "false"},
                                           {"include_stop_str_in_output", "false"},
                                           {"skip_special_tokens", "true"},
                                           {"spaces_between_special_tokens", "true"},
                                           {"truncate_prompt_tokens", "null"},
                                           {"continue_final_message", "false"},
                                           {"modalities", "[\"text\"]"},
                                           {"response_format", "{\"type\":\"text\"}"},
                                           {"function_call", "\"none\"", "\"auto\""},
                                           {"functions", "[]"}};

bool contains(Names names, std::string_view name) { return std::find(names.begin(), names.end(), name) != names.end(); }

Names own_fields(Endpoint endpoint) {
  return endpoint == Endpoint::kCompletions ? Names(kCompletionsOnly) : Names(kChatOnly);
}

bool is_read(Endpoint endpoint, std::string_view key) {
  return contains(kCommon, key) || contains(own_fields(endpoint), key);
}

/// nullptr if there is no such field.
const NeutralField* find_neutral(std::string_view key) {
  const auto found = std::find_if(std::begin(kNeutralFields), std::end(kNeutralFields),
                                  [&](const NeutralField& field) { return field.key == key; });
  return found == std::end(kNeutralFields) ? nullptr : found;
}

bool is_neutral(const NeutralField& field, const Json& value) {
  return value.is_null() || value == Json::parse(field.neutral_json) || value == Json::parse(field.also_neutral_json);
}

void pass_over(std::string_view key, std::vector<std::string>& ignored) {
  if (std::find(ignored.begin(), ignored.end(), key) == ignored.end()) ignored.emplace_back(key);
}

}  // namespace

void check_envelope_keys(const JsonFields& fields, bool lenient, std::vector<std::string>& ignored) {
  for (const auto& [key, value] : fields.object().items()) {
    if (contains(kEnvelope, key)) continue;
    if (!lenient)
      throw RowFault(kUnknownField, fmt::format("{}unknown key {}; accepted: {}", fields.where(), show_json(Json(key)),
                                                fmt::join(kEnvelope, ", ")));
    pass_over(key, ignored);
  }
}

void check_body_keys(const JsonFields& fields, Endpoint endpoint, std::string_view also, bool lenient,
                     std::vector<std::string>& ignored) {
  for (const auto& [key, value] : fields.object().items()) {
    if (is_read(endpoint, key) || key == also || contains(kWithoutEffect, key)) continue;
    const NeutralField* const neutral = find_neutral(key);
    if (neutral != nullptr && is_neutral(*neutral, value)) continue;
    if (lenient) {
      pass_over(key, ignored);
      continue;
    }
    if (neutral != nullptr)
      throw RowFault(kUnsupportedField, fmt::format("{}{} is {}, which is not supported; accepted: {}", fields.where(),
                                                    key, show_json(value), neutral->neutral_json));
    const Names own = own_fields(endpoint);
    std::vector<std::string_view> accepted(own.begin(), own.end());
    accepted.insert(accepted.end(), kCommon.begin(), kCommon.end());
    throw RowFault(kUnknownField, fmt::format("{}unknown key {}; accepted: {}", fields.where(), show_json(Json(key)),
                                              fmt::join(accepted, ", ")));
  }
}

}  // namespace lockstep
