// Variables of a block, on top of those around it.
#pragma once

#include "core/text/jinja/value.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lockstep::jinja {

class Scope;
using ScopePtr = std::shared_ptr<Scope>;

class Scope {
 public:
  /// Throws Fault where scopes are nested too deeply, which only macros that define macros can do.
  static ScopePtr inside(ScopePtr parent) {
    const int depth = parent ? parent->depth_ + 1 : 0;
    if (depth > kMaxEvaluationDepth) fail("scopes nested deeper than {}", kMaxEvaluationDepth);
    return ScopePtr(new Scope(std::move(parent), depth));
  }

  /// Here, whatever stands around. Never changes a scope around this one.
  void set(std::string_view name, Value value) {
    for (auto& [key, held] : values_)
      if (key == name) return void(held = std::move(value));
    values_.emplace_back(name, std::move(value));
  }

  /// Null if it is set neither here nor around.
  const Value* find(std::string_view name) const {
    for (const Scope* scope = this; scope; scope = scope->parent_.get())
      for (const auto& [key, value] : scope->values_)
        if (key == name) return &value;
    return nullptr;
  }

 private:
  Scope(ScopePtr parent, int depth) : parent_(std::move(parent)), depth_(depth) {}

  ScopePtr parent_;
  int depth_;
  std::vector<std::pair<std::string, Value>> values_;
};

}  // namespace lockstep::jinja
