// A macro, or the block that a call tag passes as `caller`.
#pragma once

#include "core/text/jinja/ast.h"
#include "core/text/jinja/object.h"
#include "core/text/jinja/scope.h"

#include <string>

namespace lockstep::jinja {

class Interpreter;

class Macro : public Object {
 public:
  /// `scope`: where it is defined, whose variables it sees. `statement` and `interpreter` outlive it.
  Macro(Interpreter& interpreter, const Statement& statement, std::string name, ScopePtr scope)
      : interpreter_(interpreter), statement_(statement), name_(std::move(name)), scope_(std::move(scope)) {}

  std::string_view type() const override { return "Macro"; }
  bool is_callable() const override { return true; }
  /// The text that its block prints.
  Value call(Runtime& runtime, Arguments arguments) override;
  std::string text() const override;

 private:
  void bind(Arguments arguments, const ScopePtr& scope) const;
  bool is_parameter(std::string_view name) const;

  Interpreter& interpreter_;
  const Statement& statement_;
  std::string name_;
  ScopePtr scope_;
};

}  // namespace lockstep::jinja
