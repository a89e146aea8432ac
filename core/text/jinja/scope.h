// Variables of a block, on top of those around it.
#pragma once

#include "core/text/jinja/value.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

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
    const auto found = values_.find(name);
    if (found == values_.end())
      values_.emplace(name, std::move(value));
    else
      found->second = std::move(value);
  }

  /// Null if it is set neither here nor around.
  const Value* find(std::string_view name, Budget& budget) const {
    constexpr int kScopesPerStep = 8;
    for (const Scope* scope = this; scope; scope = scope->parent_.get()) {
      if (scope->depth_ % kScopesPerStep == 0) budget.charge(1);
      if (const auto found = scope->values_.find(name); found != scope->values_.end()) return &found->second;
    }
    return nullptr;
  }

 private:
  Scope(ScopePtr parent, int depth) : parent_(std::move(parent)), depth_(depth) {}

  ScopePtr parent_;
  int depth_;
  std::map<std::string, Value, std::less<>> values_;
};

}  // namespace lockstep::jinja
