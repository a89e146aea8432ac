// The fields of a chat row that its template gets: messages, tools and further variables.
#pragma once

#include "launcher/batch/strict_json.h"

#include <memory>

namespace lockstep {

struct ChatTemplateInput;

/// Checks the conversation and brings it into the form that templates expect: content as text, arguments of tool calls
/// as objects. Throws RowFault.
std::shared_ptr<const ChatTemplateInput> read_chat(const JsonFields& fields);

}  // namespace lockstep
