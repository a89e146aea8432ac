#include "core/text/jinja/macro.h"

#include "core/text/jinja/interpreter.h"
#include "core/text/jinja/text_form.h"

#include <algorithm>

namespace lockstep::jinja {
namespace {

/// Moves the argument of that name to `value`; false if there is none.
bool take_named(Arguments& arguments, std::string_view name, Value& value) {
  const auto found = std::find_if(arguments.named.begin(), arguments.named.end(),
                                  [&](const auto& argument) { return argument.first == name; });
  if (found == arguments.named.end()) return false;
  value = std::move(found->second);
  arguments.named.erase(found);
  return true;
}

}  // namespace

bool Macro::is_parameter(std::string_view name) const {
  return std::any_of(statement_.parameters.begin(), statement_.parameters.end(),
                     [&](const Parameter& parameter) { return parameter.name == name; });
}

void Macro::bind(Arguments arguments, const ScopePtr& scope) const {
  const std::size_t count = statement_.parameters.size();
  const std::size_t by_place = std::min(count, arguments.positional.size());
  std::vector<const Parameter*> missing;
  for (std::size_t i = 0; i < count; ++i) {
    const Parameter& parameter = statement_.parameters[i];
    Value given;
    if (i < by_place) {
      scope->set(parameter.name, std::move(arguments.positional[i]));
    } else if (take_named(arguments, parameter.name, given)) {
      scope->set(parameter.name, std::move(given));
    } else {
      scope->set(parameter.name, Value::undefined(fmt::format("parameter '{}' was not provided", parameter.name)));
      missing.push_back(&parameter);
    }
  }
  for (const Parameter* parameter : missing)
    if (parameter->fallback) scope->set(parameter->name, interpreter_.evaluate(*parameter->fallback, scope));
  if (statement_.uses.caller && !is_parameter("caller")) {
    Value caller = Value::undefined("no caller is defined");
    take_named(arguments, "caller", caller);
    scope->set("caller", std::move(caller));
  }
  if (statement_.uses.kwargs && !is_parameter("kwargs")) {
    auto rest = std::make_shared<Dict>();
    for (auto& [name, value] : arguments.named) rest->set(Value(name), std::move(value));
    scope->set("kwargs", Value(std::shared_ptr<const Dict>(std::move(rest))));
  } else if (!arguments.named.empty()) {
    fail("macro '{}' has no parameter '{}'", name_, arguments.named.front().first);
  }
  arguments.positional.erase(arguments.positional.begin(),
                             arguments.positional.begin() + static_cast<std::ptrdiff_t>(by_place));
  if (statement_.uses.varargs && !is_parameter("varargs"))
    scope->set("varargs", Value::tuple(std::move(arguments.positional)));
  else if (!arguments.positional.empty())
    fail("macro '{}' takes at most {} arguments", name_, count);
}

Value Macro::call(Runtime& runtime, Arguments arguments) {
  const ScopePtr scope = Scope::inside(scope_);
  runtime.budget().charge(8);
  bind(std::move(arguments), scope);
  std::string out;
  interpreter_.run(statement_.blocks[0], scope, out);
  return Value(std::move(out));
}

std::string Macro::text() const { return fmt::format("<Macro {}>", quoted(name_)); }

}  // namespace lockstep::jinja
