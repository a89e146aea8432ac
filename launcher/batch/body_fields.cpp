#include "launcher/batch/body_fields.h"

#include "launcher/batch/chat_fields.h"
#include "launcher/batch/row_fault.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kMaxInt32 = std::numeric_limits<int32_t>::max();
constexpr size_t kMaxStops = 16;
constexpr int64_t kMaxLogprobs = 20;  // as OpenAI and vLLM
constexpr int64_t kMaxN = 128;
constexpr size_t kMaxPrompts = 2048;  // of one row, as OpenAI
// A row is in memory as a whole: all its choices, with what each needs to look for stop strings.
constexpr int64_t kMaxChoices = 4096;
constexpr size_t kMaxStopBytes = 1024;

constexpr std::string_view kPromptAccepted =
    "a string, a non-empty list of token ids (integers from 0 to 2147483647), or a list of 1 to 2048 of these";
constexpr std::string_view kStopAccepted = "a non-empty string of at most 1024 bytes or a list of at most 16 of these";
constexpr std::string_view kTokenListAccepted = "a list of token ids (integers from 0 to 2147483647)";
// Below 0.0001 logits divided by the temperature lose all but the largest; greedy says what is meant.
constexpr std::string_view kTemperatureAccepted = "0 (greedy) or a number from 0.0001 to 100";
constexpr std::string_view kBiasAccepted = "an object of token ids and numbers from -100 to 100";
constexpr std::string_view kPenaltyAccepted = "a number from -2 to 2";

std::vector<Prompt> read_prompts(const JsonFields& fields) {
  const Json* value = fields.find("prompt");
  if (!value) fields.refuse_missing("prompt", kPromptAccepted);
  if (value->is_string()) return {value->get<std::string>()};
  if (!value->is_array() || value->empty()) fields.refuse("prompt", kPromptAccepted);
  if (value->front().is_number()) return {read_token_ids(fields, *value, "prompt", kPromptAccepted)};

  std::vector<Prompt> prompts;
  if (value->size() > kMaxPrompts) fields.refuse("prompt", kPromptAccepted);
  for (const Json& element : *value) {
    const std::string name = fmt::format("prompt[{}]", prompts.size());
    if (element.is_string()) {
      prompts.emplace_back(element.get<std::string>());
    } else if (element.is_array() && !element.empty()) {
      prompts.emplace_back(read_token_ids(fields, element, name, kPromptAccepted));
    } else {
      throw RowFault(kInvalidValue, fmt::format("{}{} is {}; accepted: {}", fields.where(), name, show_json(element),
                                                kPromptAccepted));
    }
  }
  return prompts;
}

std::vector<std::string> read_stop(const JsonFields& fields) {
  const Json* value = fields.find("stop");
  std::vector<std::string> stops;
  if (!value) return stops;
  if (value->is_string()) {
    stops.push_back(value->get<std::string>());
  } else if (value->is_array() && value->size() <= kMaxStops) {
    for (const Json& element : *value) {
      if (!element.is_string()) fields.refuse("stop", kStopAccepted);
      stops.push_back(element.get<std::string>());
    }
  } else {
    fields.refuse("stop", kStopAccepted);
  }
  for (const std::string& stop : stops)
    if (stop.empty() || stop.size() > kMaxStopBytes) fields.refuse("stop", kStopAccepted);
  return stops;
}

uint64_t read_seed(const JsonFields& fields, uint64_t fallback) {
  const Json* value = fields.find("seed");
  if (!value) return fallback;
  if (value->is_number_unsigned()) return value->get<uint64_t>();
  // OpenAI's seed is a signed 64-bit integer: a negative one keeps its bits.
  if (value->is_number_integer()) return static_cast<uint64_t>(value->get<int64_t>());
  fields.refuse("seed", "an integer from -9223372036854775808 to 18446744073709551615");
}

std::vector<LogitBias> read_logit_bias(const JsonFields& fields) {
  const Json* value = fields.find("logit_bias");
  std::vector<LogitBias> biases;
  if (!value) return biases;
  if (!value->is_object()) fields.refuse("logit_bias", kBiasAccepted);
  for (const auto& [key, bias] : value->items()) {
    int32_t token = -1;
    const auto [end, fault] = std::from_chars(key.data(), key.data() + key.size(), token);
    const bool is_id = fault == std::errc() && end == key.data() + key.size() && token >= 0;
    if (!is_id || !bias.is_number() || !(std::abs(bias.get<double>()) <= 100.0))
      throw RowFault(kInvalidValue, fmt::format("{}logit_bias[{}] is {}; accepted: {}", fields.where(),
                                                show_json(Json(key)), show_json(bias), kBiasAccepted));
    biases.push_back({TokenId(token), bias.get<float>()});
  }
  // "5" and "05" are one token.
  std::sort(biases.begin(), biases.end(), [](const LogitBias& a, const LogitBias& b) { return a.token < b.token; });
  const auto twice = std::adjacent_find(biases.begin(), biases.end(),
                                        [](const LogitBias& a, const LogitBias& b) { return a.token == b.token; });
  if (twice != biases.end()) fields.refuse("logit_bias", "each token id once");
  return biases;
}

void read_sampling(const JsonFields& fields, SamplingParams& sampling) {
  sampling.temperature = fields.get_number("temperature", 0, 100, kTemperatureAccepted).value_or(sampling.temperature);
  if (sampling.temperature > 0 && sampling.temperature < 1e-4) fields.refuse("temperature", kTemperatureAccepted);
  // -1 is how vLLM and others write "all".
  const int64_t top_k = fields.get_integer("top_k", -1, kMaxInt32).value_or(sampling.top_k);
  sampling.top_k = static_cast<int32_t>(std::max<int64_t>(top_k, 0));
  constexpr std::string_view kTopPAccepted = "a number above 0 and at most 1";
  sampling.top_p = fields.get_number("top_p", 0, 1, kTopPAccepted).value_or(sampling.top_p);
  if (sampling.top_p == 0) fields.refuse("top_p", kTopPAccepted);
  sampling.min_p = fields.get_number("min_p", 0, 1, "a number from 0 to 1").value_or(sampling.min_p);
  sampling.repetition_penalty = fields.get_number("repetition_penalty", 0.01, 100, "a number from 0.01 to 100")
                                    .value_or(sampling.repetition_penalty);
  sampling.presence_penalty = fields.get_number("presence_penalty", -2, 2, kPenaltyAccepted).value_or(0.0);
  sampling.frequency_penalty = fields.get_number("frequency_penalty", -2, 2, kPenaltyAccepted).value_or(0.0);
  sampling.logit_bias = read_logit_bias(fields);
  sampling.seed = read_seed(fields, sampling.seed);
}

std::optional<int32_t> as_int32(std::optional<int64_t> value) {
  return value ? std::optional(static_cast<int32_t>(*value)) : std::nullopt;
}

/// Completions give the number of alternatives, chats say whether and how many.
std::optional<int32_t> read_logprobs(const JsonFields& fields, Endpoint endpoint) {
  if (endpoint == Endpoint::kCompletions) return as_int32(fields.get_integer("logprobs", 0, kMaxLogprobs));
  const bool wanted = fields.get_bool("logprobs").value_or(false);
  const auto top = as_int32(fields.get_integer("top_logprobs", 0, kMaxLogprobs));
  if (top.value_or(0) > 0 && !wanted) fields.refuse("top_logprobs", "0, or \"logprobs\": true beside it");
  return wanted ? std::optional(top.value_or(0)) : std::nullopt;
}

void read_scores(const JsonFields& fields, Request& request) {
  request.sampling.logprobs = read_logprobs(fields, request.endpoint);
  request.echo = request.endpoint == Endpoint::kCompletions && fields.get_bool("echo").value_or(false);
  request.sampling.prompt_logprobs = as_int32(fields.get_integer("prompt_logprobs", 0, kMaxLogprobs));
  request.lists_prompt_scores = request.sampling.prompt_logprobs.has_value();
  if (request.echo && request.sampling.logprobs)
    request.sampling.prompt_logprobs =
        std::max(request.sampling.prompt_logprobs.value_or(0), *request.sampling.logprobs);
}

void read_lengths(const JsonFields& fields, const ParseOptions& options, Request& request) {
  const int64_t least = request.sampling.prompt_logprobs || request.echo ? 0 : 1;
  const auto max_tokens = fields.get_integer("max_tokens", least, kMaxInt32);
  const auto max_completion = fields.get_integer("max_completion_tokens", least, kMaxInt32);
  if (max_tokens && max_completion && *max_tokens != *max_completion)
    fields.refuse("max_completion_tokens", "the same number as max_tokens, or one of the two alone");
  const std::optional<int64_t> given = max_completion ? max_completion : max_tokens;
  if (given || options.defaults.max_tokens) {
    request.max_tokens = given ? given : options.defaults.max_tokens;
  } else if (request.endpoint == Endpoint::kChatCompletions) {
    request.max_tokens.reset();
  }
  request.sampling.min_tokens = fields.get_integer("min_tokens", 0, kMaxInt32).value_or(0);
  if (request.max_tokens && request.sampling.min_tokens > *request.max_tokens)
    fields.refuse("min_tokens", fmt::format("at most max_tokens ({})", *request.max_tokens));
}

}  // namespace

std::vector<TokenId> read_token_ids(const JsonFields& fields, const Json& list, std::string_view name,
                                    std::string_view accepted) {
  std::vector<TokenId> ids;
  ids.reserve(list.size());
  for (const Json& element : list) {
    // Non-negative integers are stored as unsigned.
    if (!element.is_number_unsigned() || element.get<uint64_t>() > uint64_t{kMaxInt32})
      throw RowFault(kInvalidValue, fmt::format("{}{}[{}] is {}; accepted: {}", fields.where(), name, ids.size(),
                                                show_json(element), accepted));
    ids.emplace_back(element.get<int32_t>());
  }
  return ids;
}

void read_body(const JsonFields& fields, const ParseOptions& options, Request& request) {
  if (request.endpoint == Endpoint::kCompletions) {
    request.prompts = read_prompts(fields);
  } else {
    request.chat = read_chat(fields);
    request.add_special_tokens = false;
  }
  read_sampling(fields, request.sampling);
  read_scores(fields, request);
  read_lengths(fields, options, request);
  request.n = static_cast<int32_t>(fields.get_integer("n", 1, kMaxN).value_or(1));
  if (request.endpoint == Endpoint::kCompletions && request.num_choices() > kMaxChoices)
    fields.refuse("n", fmt::format("at most {} choices of all prompts", kMaxChoices));
  request.stop = read_stop(fields);
  if (const Json* list = fields.find("stop_token_ids")) {
    if (!list->is_array()) fields.refuse("stop_token_ids", kTokenListAccepted);
    request.stop_token_ids = read_token_ids(fields, *list, "stop_token_ids", kTokenListAccepted);
  }
  request.ignore_eos = fields.get_bool("ignore_eos").value_or(false);
  request.add_special_tokens = fields.get_bool("add_special_tokens").value_or(request.add_special_tokens);
  request.return_token_ids = fields.get_bool("return_token_ids").value_or(false) || request.return_token_ids;
  request.model = fields.get_string("model").value_or("");
}

}  // namespace lockstep
