// The fields that say what to generate: of the `body` of an OpenAI batch row, or of a short row.
#pragma once

#include "launcher/batch/request.h"
#include "launcher/batch/request_parser.h"
#include "launcher/batch/strict_json.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace lockstep {

/// Reads all fields into `request`, whose endpoint and default sampling are set. Keys are known to be allowed.
/// Throws RowFault.
void read_body(const JsonFields& fields, const ParseOptions& options, Request& request);

/// Token ids 0 … 2147483647 of a JSON list; `name` and `accepted` are for messages. Throws RowFault.
std::vector<TokenId> read_token_ids(const JsonFields& fields, const nlohmann::ordered_json& list, std::string_view name,
                                    std::string_view accepted);

}  // namespace lockstep
