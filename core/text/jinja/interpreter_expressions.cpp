// What expressions give.
#include "core/text/jinja/attributes.h"
#include "core/text/jinja/interpreter.h"
#include "core/text/jinja/sequences.h"
#include "core/text/jinja/text_form.h"

namespace lockstep::jinja {

Value Interpreter::evaluate(const Expression& expression, const ScopePtr& scope) {
  const Runtime::Level level = runtime_.evaluation();
  runtime_.budget().charge(1);
  line_ = expression.line;
  return evaluate_kind(expression, scope);
}

Value Interpreter::evaluate_kind(const Expression& expression, const ScopePtr& scope) {
  const auto operand = [&](std::size_t i) {
    Value value = evaluate(*expression.operands[i], scope);
    line_ = expression.line;
    return value;
  };
  switch (expression.kind) {
    case ExpressionKind::kConstant: return expression.constant;
    case ExpressionKind::kName: return name(expression, scope);
    case ExpressionKind::kList: return Value::list(evaluate_all(expression, scope));
    case ExpressionKind::kTuple: return Value::tuple(evaluate_all(expression, scope));
    case ExpressionKind::kDict: return dict(expression, scope);
    case ExpressionKind::kAttribute: return get_attribute(runtime_, operand(0), expression.name);
    case ExpressionKind::kItem: {
      const Value owner = operand(0);
      return get_item(runtime_, owner, operand(1));
    }
    case ExpressionKind::kSlice: return slice_of(expression, scope);
    case ExpressionKind::kCall: return call(expression, scope, nullptr);
    case ExpressionKind::kFilter: return filter(expression, scope, nullptr);
    case ExpressionKind::kTest: return test(expression, scope);
    case ExpressionKind::kNot: return Value(!truth(operand(0)));
    case ExpressionKind::kNegate: return negate(operand(0));
    case ExpressionKind::kPlus: return plus(operand(0));
    case ExpressionKind::kBinary: {
      const Value left = operand(0);
      return calculate(expression.binary, left, operand(1), runtime_.budget());
    }
    case ExpressionKind::kConcatenate: return concatenate(expression, scope);
    case ExpressionKind::kCompare: return compare_chain(expression, scope);
    case ExpressionKind::kAnd: {
      Value left = operand(0);
      return truth(left) ? operand(1) : left;
    }
    case ExpressionKind::kOr: {
      Value left = operand(0);
      return truth(left) ? left : operand(1);
    }
    case ExpressionKind::kConditional: return conditional(expression, scope);
    case ExpressionKind::kMember: break;  // a target, never evaluated
  }
  return {};
}

Value Interpreter::name(const Expression& expression, const ScopePtr& scope) {
  if (const Value* found = scope->find(expression.name, runtime_.budget())) return *found;
  if (std::optional<Value> global = find_global(expression.name, arena_)) return *std::move(global);
  return Value::undefined(fmt::format("'{}' is undefined", expression.name));
}

std::vector<Value> Interpreter::evaluate_all(const Expression& expression, const ScopePtr& scope) {
  std::vector<Value> values;
  values.reserve(expression.operands.size());
  for (const ExpressionPtr& operand : expression.operands) values.push_back(evaluate(*operand, scope));
  return values;
}

Value Interpreter::dict(const Expression& expression, const ScopePtr& scope) {
  auto made = std::make_shared<Dict>();
  runtime_.budget().charge(2 * static_cast<int64_t>(expression.operands.size()));
  for (std::size_t i = 0; i < expression.operands.size(); i += 2) {
    Value key = evaluate(*expression.operands[i], scope);
    Value value = evaluate(*expression.operands[i + 1], scope);
    line_ = expression.line;
    runtime_.budget().charge(key.weight());
    made->set(std::move(key), std::move(value));
  }
  return Value(std::shared_ptr<const Dict>(std::move(made)));
}

Value Interpreter::slice_of(const Expression& expression, const ScopePtr& scope) {
  std::vector<Value> parts;
  for (const ExpressionPtr& operand : expression.operands)
    parts.push_back(operand ? evaluate(*operand, scope) : Value());
  line_ = expression.line;
  return slice(parts[0], parts[1], parts[2], parts[3], runtime_.budget());
}

Value Interpreter::concatenate(const Expression& expression, const ScopePtr& scope) {
  std::string text;
  for (const Value& value : evaluate_all(expression, scope)) {
    text += to_text(value, runtime_.budget());
    if (text.size() > kMaxOutputBytes) fail("a string of more than {} bytes", kMaxOutputBytes);
  }
  line_ = expression.line;
  runtime_.budget().charge_bytes(text.size());
  return Value(std::move(text));
}

Value Interpreter::compare_chain(const Expression& expression, const ScopePtr& scope) {
  Value left = evaluate(*expression.operands[0], scope);
  for (std::size_t i = 0; i < expression.comparisons.size(); ++i) {
    Value right = evaluate(*expression.operands[i + 1], scope);
    line_ = expression.line;
    if (!holds(expression.comparisons[i], left, right, runtime_.budget())) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Value Interpreter::conditional(const Expression& expression, const ScopePtr& scope) {
  if (truth(evaluate(*expression.operands[1], scope))) return evaluate(*expression.operands[0], scope);
  if (expression.operands[2]) return evaluate(*expression.operands[2], scope);
  return Value::undefined(fmt::format("the inline if on line {} is false and has no else", expression.line));
}

}  // namespace lockstep::jinja
