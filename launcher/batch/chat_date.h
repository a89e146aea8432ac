// The day that chat templates are told (strftime_now): one for the whole job, on all ranks and through every resume, or
// results would depend on when a row was computed.
#pragma once

#include "core/text/chat_template.h"

#include <string>

namespace lockstep {

/// This machine's date, "2026-11-23".
std::string today();
/// A clock that always tells noon of that day, local time. Throws ConfigError unless it is a date of that form.
ChatTemplate::Clock clock_of(const std::string& date);

}  // namespace lockstep
