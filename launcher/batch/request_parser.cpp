#include "launcher/batch/request_parser.h"

#include "core/error.h"
#include "launcher/batch/strict_json.h"

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <span>

namespace lockstep {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMaxInt32 = std::numeric_limits<int32_t>::max();
constexpr size_t kMaxStops = 16;

constexpr std::string_view kCompletionsUrl = "/v1/completions";
constexpr std::string_view kPromptAccepted =
    "a string or a non-empty list of token ids (integers from 0 to 2147483647)";
constexpr std::string_view kStopAccepted = "a non-empty string or a list of at most 16 non-empty strings";
// Below 0.0001 logits divided by the temperature lose all but the largest; greedy says what is meant.
constexpr std::string_view kTemperatureAccepted = "0 (greedy) or a number from 0.0001 to 100";

/// Fields that say how to generate; both forms of a row take them.
constexpr std::array<std::string_view, 13> kGenerationKeys = {
    "prompt", "max_tokens", "temperature",      "top_k", "top_p", "min_p", "repetition_penalty", "seed",
    "stop",   "ignore_eos", "return_token_ids", "model", "user"};
constexpr std::array<std::string_view, 4> kBatchRowKeys = {"custom_id", "method", "url", "body"};

/// Fields of other engines and of the OpenAI API that are accepted only where they change nothing.
struct NeutralField {
  std::string_view key;
  std::string_view neutral_json;
};
constexpr NeutralField kNeutralFields[] = {{"stream", "false"},
                                           {"n", "1"},
                                           {"best_of", "1"},
                                           {"echo", "false"},
                                           {"logprobs", "null"},
                                           {"prompt_logprobs", "null"},
                                           {"suffix", "null"},
                                           {"stream_options", "null"},
                                           {"presence_penalty", "0"},
                                           {"frequency_penalty", "0"},
                                           {"logit_bias", "{}"},
                                           {"min_tokens", "0"},
                                           {"use_beam_search", "false"},
                                           {"length_penalty", "1"},
                                           {"stop_token_ids", "[]"},
                                           {"include_stop_str_in_output", "false"},
                                           {"response_format", "null"}};

std::string join(std::span<const std::string_view> names) {
  return fmt::format("{}", fmt::join(names.begin(), names.end(), ", "));
}

bool contains(std::span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Refuses keys that are neither in `known` nor, if `has_generation_keys`, a neutral field with its neutral value.
void check_keys(const Json& object, const JsonFields& fields, std::span<const std::string_view> known) {
  for (const auto& [key, value] : object.items()) {
    if (key == "messages")
      LS_THROW(ConfigError,
               "{}messages: chat requests are not supported; accepted: prompt (the conversation as the model's chat "
               "template writes it)",
               fields.where());
    const auto neutral = std::find_if(std::begin(kNeutralFields), std::end(kNeutralFields),
                                      [&key = key](const NeutralField& field) { return field.key == key; });
    if (neutral != std::end(kNeutralFields)) {
      LS_REQUIRE(ConfigError, value.is_null() || value == Json::parse(neutral->neutral_json),
                 "{}{} is {}, which is not supported; accepted: {}", fields.where(), key, show_json(value),
                 neutral->neutral_json);
      continue;
    }
    LS_REQUIRE(ConfigError, contains(known, key), "{}unknown key {}; accepted: {}", fields.where(),
               show_json(Json(key)), join(known));
  }
}

std::variant<std::string, std::vector<TokenId>> read_prompt(const JsonFields& fields) {
  const Json* value = fields.find("prompt");
  if (!value) fields.refuse_missing("prompt", kPromptAccepted);
  if (value->is_string()) return value->get<std::string>();
  if (!value->is_array() || value->empty()) fields.refuse("prompt", kPromptAccepted);
  std::vector<TokenId> ids;
  ids.reserve(value->size());
  for (const Json& element : *value) {
    // Non-negative integers are stored as unsigned.
    if (!element.is_number_unsigned() || element.get<uint64_t>() > uint64_t{kMaxInt32})
      LS_THROW(ConfigError, "{}prompt[{}] is {}; accepted: {}", fields.where(), ids.size(), show_json(element),
               kPromptAccepted);
    ids.emplace_back(element.get<int32_t>());
  }
  return ids;
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
    if (stop.empty()) fields.refuse("stop", kStopAccepted);
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

SamplingParams read_sampling(const JsonFields& fields, uint64_t fallback_seed) {
  SamplingParams sampling;
  sampling.temperature = fields.get_number("temperature", 0, 100, kTemperatureAccepted).value_or(0.0);
  if (sampling.temperature > 0 && sampling.temperature < 1e-4) fields.refuse("temperature", kTemperatureAccepted);
  // -1 is how vLLM and others write "all".
  const int64_t top_k = fields.get_integer("top_k", -1, kMaxInt32).value_or(0);
  sampling.top_k = static_cast<int32_t>(std::max<int64_t>(top_k, 0));
  constexpr std::string_view kTopPAccepted = "a number above 0 and at most 1";
  sampling.top_p = fields.get_number("top_p", 0, 1, kTopPAccepted).value_or(1.0);
  if (sampling.top_p == 0) fields.refuse("top_p", kTopPAccepted);
  sampling.min_p = fields.get_number("min_p", 0, 1, "a number from 0 to 1").value_or(0.0);
  sampling.repetition_penalty =
      fields.get_number("repetition_penalty", 0.01, 100, "a number from 0.01 to 100").value_or(1.0);
  sampling.seed = read_seed(fields, fallback_seed);
  return sampling;
}

void read_generation(const JsonFields& fields, uint64_t fallback_seed, Request& request) {
  request.prompt = read_prompt(fields);
  request.max_tokens = fields.get_integer("max_tokens", 1, kMaxInt32).value_or(request.max_tokens);
  request.sampling = read_sampling(fields, fallback_seed);
  request.stop = read_stop(fields);
  request.ignore_eos = fields.get_bool("ignore_eos").value_or(false);
  request.return_token_ids = fields.get_bool("return_token_ids").value_or(false);
  request.model = fields.get_string("model").value_or("");
  fields.get_string("user");
}

void read_custom_id(const JsonFields& fields, Request& request) {
  constexpr std::string_view kAccepted = "a non-empty string";
  const auto id = fields.get_string("custom_id", kAccepted);
  if (id && id->empty()) fields.refuse("custom_id", kAccepted);
  if (id) request.custom_id = *id;
}

/// Checks the envelope of an OpenAI batch row; returns its body.
const Json& open_batch_row(const Json& row, const JsonFields& fields) {
  check_keys(row, fields, kBatchRowKeys);
  if (!fields.find("custom_id")) fields.refuse_missing("custom_id", "a non-empty string");
  if (fields.get_string("method").value_or("POST") != "POST") fields.refuse("method", "\"POST\"");
  const auto url = fields.get_string("url");
  if (!url) fields.refuse_missing("url", "\"/v1/completions\"");
  if (*url == "/v1/chat/completions")
    LS_THROW(ConfigError,
             "{}url is \"/v1/chat/completions\": chat requests are not supported; accepted: \"{}\" with the "
             "conversation in prompt, as the model's chat template writes it",
             fields.where(), kCompletionsUrl);
  if (*url != kCompletionsUrl) fields.refuse("url", "\"/v1/completions\"");
  const Json* body = fields.find("body");
  if (!body) fields.refuse_missing("body", "an object");
  if (!body->is_object()) fields.refuse("body", "an object");
  return *body;
}

}  // namespace

uint64_t default_row_seed(uint64_t job_seed, int64_t index) {
  // splitmix64 (Steele, Lea, Flood 2014): neighbouring rows get unrelated seeds.
  uint64_t mixed = job_seed + (static_cast<uint64_t>(index) + 1) * 0x9e3779b97f4a7c15ULL;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
  return mixed ^ (mixed >> 31);
}

Request parse_request(std::string_view json_line, const RowPosition& position, uint64_t job_seed) {
  const std::string where = fmt::format("{}:{}: ", position.file, position.line);
  const Json row = parse_strict_json(json_line, where);
  const JsonFields fields(row, where);

  Request request;
  request.index = position.index;
  request.custom_id = fmt::format("request-{}", position.line);
  const uint64_t row_seed = default_row_seed(job_seed, position.index);

  const bool is_batch_row = row.contains("body") || row.contains("url") || row.contains("method");
  if (is_batch_row) {
    const Json& body = open_batch_row(row, fields);
    const JsonFields body_fields(body, where + "body.");
    check_keys(body, body_fields, kGenerationKeys);
    read_custom_id(fields, request);
    read_generation(body_fields, row_seed, request);
  } else {
    std::vector<std::string_view> known(kGenerationKeys.begin(), kGenerationKeys.end());
    known.push_back("custom_id");
    check_keys(row, fields, known);
    read_custom_id(fields, request);
    read_generation(fields, row_seed, request);
  }
  return request;
}

}  // namespace lockstep
