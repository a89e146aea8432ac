// Binding of a call's arguments to a function's parameters, by place or by name.
#pragma once

#include "core/text/jinja/object.h"

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::jinja {

/// One parameter's value, if it was given. A view: the Bound it came from outlives it.
class Argument {
 public:
  Argument(const Value* value, std::string_view name) : value_(value), name_(name) {}

  bool given() const { return value_ != nullptr; }
  /// None counts as absent in those that take a fallback.
  bool absent() const { return !value_ || value_->is_none(); }
  /// Throws Fault if it was not given.
  const Value& value() const;
  Value value_or(Value fallback) const { return value_ ? *value_ : std::move(fallback); }

  // Each throws Fault if the value has another type, or is undefined.
  const std::string& text() const;
  std::string text_or(std::string_view fallback) const { return absent() ? std::string(fallback) : text(); }
  int64_t integer() const;
  int64_t integer_or(int64_t fallback) const { return absent() ? fallback : integer(); }
  bool truth_or(bool fallback) const;

 private:
  const Value* value_;
  std::string_view name_;
};

class Bound {
 public:
  /// Throws Fault for more arguments than parameters, unknown names, a parameter given twice, and for fewer than
  /// `required` of them.
  Bound(Arguments arguments, std::string_view function, std::initializer_list<const char*> parameters, int required);

  Argument operator[](std::size_t parameter) const { return {values_[parameter], names_[parameter]}; }

 private:
  Arguments arguments_;
  std::vector<const Value*> values_;
  std::vector<std::string_view> names_;
};

}  // namespace lockstep::jinja
