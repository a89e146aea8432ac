// What tags do.
#include "core/text/jinja/interpreter.h"
#include "core/text/jinja/loop.h"
#include "core/text/jinja/macro.h"
#include "core/text/jinja/operators.h"
#include "core/text/jinja/sequences.h"
#include "core/text/jinja/text_form.h"

namespace lockstep::jinja {

std::string Interpreter::render(const Block& block, const ScopePtr& scope) {
  std::string out;
  run(block, scope, out);
  return out;
}

void Interpreter::emit(std::string_view text, std::string& out) {
  if (out.size() + text.size() > kMaxOutputBytes) fail("an output of more than {} bytes", kMaxOutputBytes);
  runtime_.budget().charge(static_cast<int64_t>(text.size()) / kBytesPerStep);
  out += text;
}

Interpreter::Flow Interpreter::run(const Block& block, const ScopePtr& scope, std::string& out) {
  const Runtime::Level level = runtime_.evaluation();
  for (const Statement& statement : block)
    if (const Flow flow = run(statement, scope, out); flow != Flow::kNext) return flow;
  return Flow::kNext;
}

Interpreter::Flow Interpreter::run(const Statement& statement, const ScopePtr& scope, std::string& out) {
  line_ = statement.line;
  runtime_.budget().charge(1);
  switch (statement.kind) {
    case StatementKind::kText: emit(statement.text, out); break;
    case StatementKind::kPrint:
      for (const ExpressionPtr& expression : statement.expressions) {
        const Value value = evaluate(*expression, scope);
        value.is_string() ? emit(value.text(), out) : emit(to_text(value, runtime_.budget()), out);
      }
      break;
    case StatementKind::kIf: return run_if(statement, scope, out);
    case StatementKind::kFor: run_loop(statement, evaluate(*statement.expressions[0], scope), scope, 0, out); break;
    case StatementKind::kSet: assign(*statement.targets[0], evaluate(*statement.expressions[0], scope), scope); break;
    case StatementKind::kSetBlock: return run_set_block(statement, scope);
    case StatementKind::kMacro: define_macro(statement, scope); break;
    case StatementKind::kCall: run_call(statement, scope, out); break;
    case StatementKind::kFilter: return run_filter(statement, scope, out);
    case StatementKind::kWith: return run_with(statement, scope, out);
    case StatementKind::kScope: return run(statement.blocks[0], Scope::inside(scope), out);
    case StatementKind::kBreak: return Flow::kBreak;
    case StatementKind::kContinue: return Flow::kContinue;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::run_if(const Statement& statement, const ScopePtr& scope, std::string& out) {
  for (std::size_t i = 0; i < statement.expressions.size(); ++i)
    if (truth(evaluate(*statement.expressions[i], scope))) return run(statement.blocks[i], scope, out);
  const bool has_else = statement.blocks.size() > statement.expressions.size();
  return has_else ? run(statement.blocks.back(), scope, out) : Flow::kNext;
}

void Interpreter::run_loop(const Statement& statement, const Value& iterable, const ScopePtr& scope, int depth,
                           std::string& out) {
  auto made = std::make_unique<Loop>(*this, statement, iterable, scope, depth);
  Loop& loop = *made;
  const Value handle = arena_.keep(std::move(made));
  runtime_.budget().charge(8);
  bool completed_one = false;
  while (loop.advance()) {
    runtime_.budget().charge(2);
    const ScopePtr body = Scope::inside(scope);
    assign(*statement.targets[0], loop.item(), body);
    body->set("loop", handle);
    const Flow flow = run(statement.blocks[0], body, out);
    if (flow == Flow::kBreak) break;
    completed_one = completed_one || flow == Flow::kNext;
  }
  // As in Jinja2: the else part also follows where break or continue ended every iteration.
  if (!completed_one) run(statement.blocks[1], Scope::inside(scope), out);
}

Interpreter::Flow Interpreter::run_set_block(const Statement& statement, const ScopePtr& scope) {
  std::string captured;
  const Flow flow = run(statement.blocks[0], Scope::inside(scope), captured);
  if (flow != Flow::kNext) return flow;
  runtime_.budget().charge_bytes(captured.size());
  Value value(std::move(captured));
  if (statement.expressions[0]) value = filter(*statement.expressions[0], scope, &value);
  assign(*statement.targets[0], value, scope);
  return Flow::kNext;
}

Interpreter::Flow Interpreter::run_filter(const Statement& statement, const ScopePtr& scope, std::string& out) {
  std::string captured;
  const ScopePtr inner = Scope::inside(scope);
  const Flow flow = run(statement.blocks[0], inner, captured);
  if (flow != Flow::kNext) return flow;
  const Value value(std::move(captured));
  emit(to_text(filter(*statement.expressions[0], inner, &value), runtime_.budget()), out);
  return Flow::kNext;
}

Interpreter::Flow Interpreter::run_with(const Statement& statement, const ScopePtr& scope, std::string& out) {
  const ScopePtr inner = Scope::inside(scope);
  for (std::size_t i = 0; i < statement.targets.size(); ++i)
    assign(*statement.targets[i], evaluate(*statement.expressions[i], scope), inner);
  return run(statement.blocks[0], inner, out);
}

void Interpreter::run_call(const Statement& statement, const ScopePtr& scope, std::string& out) {
  runtime_.budget().charge(8);
  const Value caller = arena_.keep(std::make_unique<Macro>(*this, statement, "caller", scope));
  emit(to_text(call(*statement.expressions[0], scope, &caller), runtime_.budget()), out);
}

void Interpreter::define_macro(const Statement& statement, const ScopePtr& scope) {
  runtime_.budget().charge(8);
  scope->set(statement.text, arena_.keep(std::make_unique<Macro>(*this, statement, statement.text, scope)));
}

void Interpreter::assign(const Expression& target, const Value& value, const ScopePtr& scope) {
  line_ = target.line;
  if (target.kind == ExpressionKind::kName) return scope->set(target.name, value);
  if (target.kind == ExpressionKind::kMember) {
    const Value owner = evaluate(*target.operands[0], scope);
    auto* space = owner.is_object() ? dynamic_cast<Namespace*>(&owner.object()) : nullptr;
    if (!space)
      fail("'{}' is a {}; attributes of a namespace alone can be set", target.operands[0]->name, type_name(owner));
    return space->set(target.name, value);
  }
  const std::vector<Value> parts = iterate(value, runtime_.budget());
  if (parts.size() != target.operands.size()) fail("{} values for {} names", parts.size(), target.operands.size());
  for (std::size_t i = 0; i < parts.size(); ++i) assign(*target.operands[i], parts[i], scope);
}

}  // namespace lockstep::jinja
