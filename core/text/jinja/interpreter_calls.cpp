// Calls, filters and tests.
#include "core/text/jinja/attributes.h"
#include "core/text/jinja/filters.h"
#include "core/text/jinja/interpreter.h"
#include "core/text/jinja/sequences.h"
#include "core/text/jinja/tests.h"

namespace lockstep::jinja {

Arguments Interpreter::arguments(const CallArguments& given, const ScopePtr& scope) {
  Arguments made;
  for (const ExpressionPtr& argument : given.positional) made.positional.push_back(evaluate(*argument, scope));
  for (const auto& [name, argument] : given.named) made.named.emplace_back(name, evaluate(*argument, scope));
  if (given.rest)
    for (Value& value : iterate(evaluate(*given.rest, scope), runtime_.budget()))
      made.positional.push_back(std::move(value));
  if (given.named_rest) {
    const Value rest = evaluate(*given.named_rest, scope);
    if (!rest.is_dict()) fail("** takes a dict, not a {}", type_name(rest));
    runtime_.budget().charge(static_cast<int64_t>(rest.dict().size()));
    for (const auto& [key, value] : rest.dict().entries()) {
      if (!key.is_string()) fail("a name of an argument is a {}; a str is expected", type_name(key));
      made.named.emplace_back(key.text(), value);
    }
  }
  return made;
}

Value Interpreter::call(const Expression& expression, const ScopePtr& scope, const Value* caller) {
  const Expression& callee = *expression.operands[0];
  Function::Body method = nullptr;
  Value self;
  if (callee.kind == ExpressionKind::kAttribute) {
    self = evaluate(*callee.operands[0], scope);
    line_ = callee.line;
    method = find_method(self, callee.name);
    if (!method) self = get_attribute(runtime_, self, callee.name);
  } else {
    self = evaluate(callee, scope);
  }
  Arguments given = arguments(expression.arguments, scope);
  if (caller) given.named.emplace_back("caller", *caller);
  line_ = expression.line;
  if (method) return method(runtime_, self, std::move(given));
  require_defined(self);
  if (!self.is_object()) fail("a {} cannot be called", type_name(self));
  const Runtime::Level level = runtime_.call();
  Value result = self.object().call(runtime_, std::move(given));
  line_ = expression.line;
  return result;
}

Value Interpreter::filter(const Expression& expression, const ScopePtr& scope, const Value* captured) {
  const Runtime::Level level = runtime_.evaluation();
  const ExpressionPtr& operand = expression.operands[0];
  Value value;
  if (!operand)
    value = *captured;
  else if (captured)
    value = filter(*operand, scope, captured);
  else
    value = evaluate(*operand, scope);
  Arguments given = arguments(expression.arguments, scope);
  line_ = expression.line;
  return apply_filter(runtime_, expression.name, value, std::move(given));
}

Value Interpreter::test(const Expression& expression, const ScopePtr& scope) {
  const Value value = evaluate(*expression.operands[0], scope);
  Arguments given = arguments(expression.arguments, scope);
  line_ = expression.line;
  return Value(apply_test(runtime_, expression.name, value, std::move(given)));
}

}  // namespace lockstep::jinja
