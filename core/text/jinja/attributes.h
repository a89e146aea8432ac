// `value.name` and `value[key]`, by Jinja2's rules: a dot prefers methods, brackets prefer elements.
#pragma once

#include "core/text/jinja/object.h"
#include "core/text/jinja/runtime.h"

#include <string_view>

namespace lockstep::jinja {

/// The method `name` of `receiver`'s type; null if it has none, or if it would change the receiver.
Function::Body find_method(const Value& receiver, std::string_view name);

/// True if some type has this method, be it one that the sandbox refuses.
bool is_known_method(std::string_view name);

/// value.name: a method or attribute, else the element of that name, else undefined. Throws Fault if `value` is
/// undefined.
Value get_attribute(Runtime& runtime, const Value& value, std::string_view name);

/// value[key]: the element, else for a string the attribute of that name, else undefined. Throws Fault if `value` is
/// undefined.
Value get_item(Runtime& runtime, const Value& value, const Value& key);

/// A method or attribute alone, never an element: the filter `attr`.
Value get_own_attribute(Runtime& runtime, const Value& value, std::string_view name);

}  // namespace lockstep::jinja
