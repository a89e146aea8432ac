#include "core/text/jinja/template.h"

#include "core/error.h"
#include "core/text/jinja/interpreter.h"
#include "core/text/jinja/json_text.h"
#include "core/text/jinja/parser.h"
#include "core/text/utf8.h"

#include <nlohmann/json.hpp>

namespace lockstep::jinja {

Template::Template(std::string name, std::string_view source) : name_(std::move(name)) {
  LS_REQUIRE(ChatTemplateError, is_valid_utf8(source), "{}: the template is not valid UTF-8", name_);
  try {
    block_ = parse(source);
  } catch (const Fault& fault) {
    LS_THROW(ChatTemplateError, "{}:{}: {}", name_, fault.line, fault.what());
  }
}

std::string Template::render(const nlohmann::ordered_json& variables, const Clock& clock) const {
  Interpreter interpreter(clock);
  try {
    const ScopePtr scope = Scope::inside(nullptr);
    for (const auto& [name, value] : variables.items())
      scope->set(name, from_json(value, interpreter.runtime().budget()));
    return interpreter.render(block_, scope);
  } catch (const Fault& fault) {
    LS_THROW(ChatTemplateError, "{}:{}: {}", name_, interpreter.line(), fault.what());
  }
}

}  // namespace lockstep::jinja
