// Callables, namespaces and loops: values with attributes or behaviour of their own.
#pragma once

#include "core/text/jinja/value.h"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lockstep::jinja {

class Runtime;

/// Evaluated arguments of a call, a filter or a test.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

class Object {
 public:
  Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  virtual ~Object() = default;

  virtual std::string_view type() const = 0;
  /// Nesting of what the object owns, as Value::depth().
  virtual int depth() const { return 0; }
  virtual bool is_callable() const { return false; }
  /// Throws Fault where the object cannot be called.
  virtual Value call(Runtime& runtime, Arguments arguments);
  /// nullopt where there is no such attribute.
  virtual std::optional<Value> attribute(Runtime& runtime, std::string_view name);
  /// What printing it shows. Throws Fault where that is an address in Python.
  virtual std::string text() const;
};

/// A function of the library, or a method bound to its receiver.
class Function : public Object {
 public:
  using Body = Value (*)(Runtime&, const Value& self, Arguments);
  explicit Function(Body body, Value self = {}) : body_(body), self_(std::move(self)) {}
  std::string_view type() const override { return "function"; }
  int depth() const override { return self_.depth() + 1; }
  bool is_callable() const override { return true; }
  Value call(Runtime& runtime, Arguments arguments) override { return body_(runtime, self_, std::move(arguments)); }

 private:
  Body body_;
  Value self_;
};

/// `namespace()`: the one thing a template can change.
class Namespace : public Object {
 public:
  std::string_view type() const override { return "Namespace"; }
  std::optional<Value> attribute(Runtime& runtime, std::string_view name) override;
  /// Throws Fault for a name that starts with "_", as transformers.
  void set(const std::string& name, Value value);

 private:
  std::map<std::string, Value, std::less<>> values_;
};

}  // namespace lockstep::jinja
