#include "core/text/jinja/loop.h"

#include "core/text/jinja/arguments.h"
#include "core/text/jinja/interpreter.h"
#include "core/text/jinja/operators.h"
#include "core/text/jinja/sequences.h"

namespace lockstep::jinja {
namespace {

Loop& loop_of(const Value& self) { return static_cast<Loop&>(self.object()); }

Value cycle_method(Runtime&, const Value& self, Arguments arguments) {
  if (arguments.positional.empty() || !arguments.named.empty()) fail("loop.cycle() takes one or more values");
  const auto index = static_cast<std::size_t>(loop_of(self).index());
  return arguments.positional[index % arguments.positional.size()];
}

Value changed_method(Runtime& runtime, const Value& self, Arguments arguments) {
  return Value(loop_of(self).changed(std::move(arguments.positional), runtime.budget()));
}

}  // namespace

Loop::Loop(Interpreter& interpreter, const Statement& statement, const Value& iterable, ScopePtr scope, int depth)
    : interpreter_(interpreter),
      statement_(statement),
      scope_(std::move(scope)),
      source_(iterate(iterable, interpreter.runtime().budget())),
      is_filtered_(statement.expressions[1] != nullptr),
      depth_(depth) {}

std::optional<Value> Loop::next() {
  while (at_ < source_.size()) {
    const Value& item = source_[at_++];
    if (!is_filtered_) return item;
    interpreter_.runtime().budget().charge(2);
    const ScopePtr inner = Scope::inside(scope_);
    interpreter_.assign(*statement_.targets[0], item, inner);
    if (truth(interpreter_.evaluate(*statement_.expressions[1], inner))) return item;
  }
  return std::nullopt;
}

const std::optional<Value>& Loop::peek() {
  if (!has_peeked_) peeked_ = next();
  has_peeked_ = true;
  return peeked_;
}

bool Loop::advance() {
  std::optional<Value> item = has_peeked_ ? std::move(peeked_) : next();
  has_peeked_ = false;
  if (!item) return false;
  previous_ = std::move(current_);
  current_ = *std::move(item);
  ++index_;
  return true;
}

int64_t Loop::size() {
  if (size_) return *size_;
  if (is_filtered_) {  // what is left is now chosen once and for all
    std::vector<Value> rest;
    while (std::optional<Value> item = next()) rest.push_back(*std::move(item));
    source_ = std::move(rest);
    at_ = 0;
    is_filtered_ = false;
    size_ = static_cast<int64_t>(source_.size()) + index_ + 1 + (has_peeked_ && peeked_ ? 1 : 0);
  } else {
    size_ = static_cast<int64_t>(source_.size());
  }
  return *size_;
}

bool Loop::changed(std::vector<Value> values, Budget& budget) {
  for (const Value& value : values) budget.charge(value.weight());
  if (last_changed_ && values.size() == last_changed_->size() &&
      std::equal(values.begin(), values.end(), last_changed_->begin(), equal))
    return false;
  last_changed_ = std::move(values);
  return true;
}

Value Loop::call(Runtime&, Arguments arguments) {
  const Bound bound(std::move(arguments), "loop()", {"iterable"}, 1);
  if (!statement_.is_recursive) fail("loop() in a loop without `recursive`");
  std::string out;
  interpreter_.run_loop(statement_, bound[0].value(), scope_, depth_ + 1, out);
  return Value(std::move(out));
}

std::optional<Value> Loop::attribute(Runtime&, std::string_view name) {
  const auto method = [&](Function::Body body) {
    const Value self{std::shared_ptr<Object>(std::shared_ptr<void>(), this)};
    return Value(std::shared_ptr<Object>(std::make_shared<Function>(body, self)));
  };
  if (name == "index") return Value(index_ + 1);
  if (name == "index0") return Value(index_);
  if (name == "first") return Value(index_ == 0);
  if (name == "last") return Value(!peek());
  if (name == "length") return Value(size());
  if (name == "revindex") return Value(size() - index_);
  if (name == "revindex0") return Value(size() - index_ - 1);
  if (name == "depth") return Value(depth_ + 1);
  if (name == "depth0") return Value(depth_);
  if (name == "previtem") return index_ == 0 ? Value::undefined("there is no previous item") : previous_;
  if (name == "nextitem") return peek().value_or(Value::undefined("there is no next item"));
  if (name == "cycle") return method(cycle_method);
  if (name == "changed") return method(changed_method);
  return std::nullopt;
}

}  // namespace lockstep::jinja
