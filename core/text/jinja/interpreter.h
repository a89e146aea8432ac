// Carries out a parsed template: one object per rendering.
#pragma once

#include "core/text/jinja/ast.h"
#include "core/text/jinja/globals.h"
#include "core/text/jinja/runtime.h"
#include "core/text/jinja/scope.h"

#include <string>

namespace lockstep::jinja {

class Interpreter {
 public:
  explicit Interpreter(Clock clock) : runtime_(std::move(clock)) {}

  Runtime& runtime() { return runtime_; }
  /// What the template prints. Throws Fault; line() then tells where.
  std::string render(const Block& block, const ScopePtr& scope);
  int line() const { return line_; }

  // For macros and loops, which come back to their blocks.
  enum class Flow : uint8_t { kNext, kBreak, kContinue };
  Flow run(const Block& block, const ScopePtr& scope, std::string& out);
  Value evaluate(const Expression& expression, const ScopePtr& scope);
  void assign(const Expression& target, const Value& value, const ScopePtr& scope);
  /// A whole loop over `iterable`, `depth` loops of the same statement deep.
  void run_loop(const Statement& statement, const Value& iterable, const ScopePtr& scope, int depth, std::string& out);

 private:
  // interpreter_statements.cpp
  Flow run(const Statement& statement, const ScopePtr& scope, std::string& out);
  Flow run_if(const Statement& statement, const ScopePtr& scope, std::string& out);
  Flow run_set_block(const Statement& statement, const ScopePtr& scope);
  Flow run_filter(const Statement& statement, const ScopePtr& scope, std::string& out);
  Flow run_with(const Statement& statement, const ScopePtr& scope, std::string& out);
  void run_call(const Statement& statement, const ScopePtr& scope, std::string& out);
  void define_macro(const Statement& statement, const ScopePtr& scope);
  void emit(std::string_view text, std::string& out);

  // interpreter_expressions.cpp
  Value evaluate_kind(const Expression& expression, const ScopePtr& scope);
  Value name(const Expression& expression, const ScopePtr& scope);
  Value dict(const Expression& expression, const ScopePtr& scope);
  Value slice_of(const Expression& expression, const ScopePtr& scope);
  Value concatenate(const Expression& expression, const ScopePtr& scope);
  Value compare_chain(const Expression& expression, const ScopePtr& scope);
  Value conditional(const Expression& expression, const ScopePtr& scope);
  std::vector<Value> evaluate_all(const Expression& expression, const ScopePtr& scope);

  // interpreter_calls.cpp
  /// `caller`: what a call block passes, or null.
  Value call(const Expression& expression, const ScopePtr& scope, const Value* caller);
  Value filter(const Expression& expression, const ScopePtr& scope, const Value* captured);
  Value test(const Expression& expression, const ScopePtr& scope);
  Arguments arguments(const CallArguments& given, const ScopePtr& scope);

  Runtime runtime_;
  Arena arena_;
  int line_ = 0;
};

}  // namespace lockstep::jinja
