// `loop`: a for statement at work, and what the template may ask of it.
#pragma once

#include "core/text/jinja/ast.h"
#include "core/text/jinja/object.h"
#include "core/text/jinja/scope.h"

#include <optional>
#include <vector>

namespace lockstep::jinja {

class Interpreter;

class Loop : public Object {
 public:
  /// `depth`: loops of the same statement around this one, which a recursive loop has. All but `iterable` outlive it.
  Loop(Interpreter& interpreter, const Statement& statement, const Value& iterable, ScopePtr scope, int depth);

  /// Goes to the next item; false behind the last.
  bool advance();
  const Value& item() const { return current_; }

  std::string_view type() const override { return "LoopContext"; }
  bool is_callable() const override { return true; }
  /// The recursive loop's body over other items.
  Value call(Runtime& runtime, Arguments arguments) override;
  std::optional<Value> attribute(Runtime& runtime, std::string_view name) override;

  bool changed(std::vector<Value> values, Budget& budget);
  int64_t index() const { return index_; }

 private:
  /// The next item that satisfies the statement's condition. It is asked for as late as possible, since the loop's body
  /// may change what the condition depends on.
  std::optional<Value> next();
  const std::optional<Value>& peek();
  int64_t size();

  Interpreter& interpreter_;
  const Statement& statement_;
  ScopePtr scope_;
  std::vector<Value> source_;
  bool is_filtered_;  // the condition is still to be asked
  std::size_t at_ = 0;
  bool has_peeked_ = false;
  std::optional<Value> peeked_;
  Value current_, previous_;
  int64_t index_ = -1;  // from 0
  std::optional<int64_t> size_;
  std::optional<std::vector<Value>> last_changed_;
  int depth_;
};

}  // namespace lockstep::jinja
