// The `attribute` argument of filters: a path such as "function.name" or "0.id", looked up in each item.
#pragma once

#include "core/text/jinja/arguments.h"
#include "core/text/jinja/runtime.h"

#include <optional>
#include <vector>

namespace lockstep::jinja {

class AttributePath {
 public:
  /// The item itself.
  AttributePath() = default;
  /// `path`: a str, of which numbers between dots are indices, an int, or None for the item itself.
  explicit AttributePath(const Value& path);

  /// Wherever the path meets something undefined, `fallback` stands for it if there is one.
  Value look_up(Runtime& runtime, Value item, const std::optional<Value>& fallback = std::nullopt) const;

 private:
  std::vector<Value> parts_;
};

/// The path that an argument names, or the item itself where it is absent.
AttributePath attribute_path(const Argument& argument);

/// `value` in lower case if it is a str, as sorting and comparing without case do.
Value without_case(const Value& value, Budget& budget);

}  // namespace lockstep::jinja
