// Output lines of a batch job, in the OpenAI batch output form.
//
// A line is a pure function of request and result: no clock, host or process value in it, keys in a fixed order. So two
// runs of a job can be compared byte by byte.
#pragma once

#include "launcher/batch/request.h"

#include <string>
#include <string_view>

namespace lockstep {

/// One JSON object without line end. `default_model` is echoed where the request names no model.
std::string format_result(const Request& request, const Result& result, std::string_view default_model);
/// The line of a row that failed: "response" is null, "error" holds code and message.
std::string format_error(const RowError& error);

}  // namespace lockstep
