#include "launcher/batch/request_parser.h"

#include "launcher/batch/body_fields.h"
#include "launcher/batch/custom_id.h"
#include "launcher/batch/field_names.h"
#include "launcher/batch/row_fault.h"
#include "launcher/batch/strict_json.h"

#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kUrls = "\"/v1/completions\" or \"/v1/chat/completions\"";

void read_custom_id(const JsonFields& fields, std::string& custom_id) {
  constexpr std::string_view kAccepted = "a non-empty string";
  const auto id = fields.get_string("custom_id", kAccepted);
  if (id && id->empty()) fields.refuse("custom_id", kAccepted);
  if (id) custom_id = *id;
}

Endpoint read_endpoint(const JsonFields& fields) {
  const auto url = fields.get_string("url");
  if (!url) fields.refuse_missing("url", kUrls);
  if (*url == "/v1/completions") return Endpoint::kCompletions;
  if (*url == "/v1/chat/completions") return Endpoint::kChatCompletions;
  throw RowFault(kUnsupportedUrl,
                 fmt::format("{}url is {}; accepted: {}", fields.where(), show_json(Json(*url)), kUrls));
}

/// Reads an OpenAI batch row into `request`, whose custom_id is set first: it names the row's errors.
void read_batch_row(const JsonFields& fields, const ParseOptions& options, Request& request) {
  if (!fields.find("custom_id")) fields.refuse_missing("custom_id", "a non-empty string");
  check_envelope_keys(fields, options.lenient, request.ignored_fields);
  if (fields.get_string("method").value_or("POST") != "POST") fields.refuse("method", "\"POST\"");
  request.endpoint = read_endpoint(fields);
  const Json* body = fields.find("body");
  if (!body) fields.refuse_missing("body", "an object");
  if (!body->is_object()) fields.refuse("body", "an object");
  const JsonFields body_fields(*body, fields.where() + "body.");
  check_body_keys(body_fields, request.endpoint, {}, options.lenient, request.ignored_fields);
  read_body(body_fields, options, request);
}

void read_short_row(const JsonFields& fields, const ParseOptions& options, Request& request) {
  request.endpoint = fields.object().contains("messages") ? Endpoint::kChatCompletions : Endpoint::kCompletions;
  check_body_keys(fields, request.endpoint, "custom_id", options.lenient, request.ignored_fields);
  read_body(fields, options, request);
}

}  // namespace

uint64_t default_row_seed(uint64_t job_seed, int64_t index) { return choice_seed(job_seed, index + 1); }

std::variant<Request, RowError> parse_request(std::string_view json_line, const RowPosition& position,
                                              const ParseOptions& options) {
  Request request;
  request.index = position.index;
  request.custom_id = default_custom_id(position.line);
  request.return_token_ids = options.return_token_ids;
  request.sampling = options.defaults.sampling;
  request.sampling.seed = default_row_seed(options.job_seed, position.index);
  try {
    const std::string where = fmt::format("line {}: ", position.line);
    const Json row = parse_strict_json(json_line, where);
    const JsonFields fields(row, where);
    read_custom_id(fields, request.custom_id);
    const bool is_batch_row = row.contains("body") || row.contains("url") || row.contains("method");
    is_batch_row ? read_batch_row(fields, options, request) : read_short_row(fields, options, request);
    return request;
  } catch (const RowFault& fault) {
    return RowError{position.index, request.custom_id, std::string(fault.code()), fault.what()};
  }
}

}  // namespace lockstep
