// A template in Jinja2's language, as transformers sets it up for chat templates; the contract of the dialect is in
// docs/chat-templates.md.
#pragma once

#include "core/text/jinja/ast.h"
#include "core/text/jinja/runtime.h"

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace lockstep::jinja {

/// Immutable, so threads may render at once.
class Template {
 public:
  /// `name` starts the messages. Throws ChatTemplateError, "<name>:<line>: …", for a malformed template and for
  /// constructs that this interpreter does not know.
  Template(std::string name, std::string_view source);

  /// `variables`: an object. Throws ChatTemplateError for what goes wrong, raise_exception() included, and where the
  /// bounds of limits.h are met.
  std::string render(const nlohmann::ordered_json& variables, const Clock& clock) const;

  const std::string& name() const { return name_; }

 private:
  std::string name_;
  Block block_;
};

}  // namespace lockstep::jinja
