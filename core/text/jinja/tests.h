// Jinja2's tests: what stands behind `is`.
#pragma once

#include "core/text/jinja/object.h"
#include "core/text/jinja/runtime.h"

#include <string>
#include <string_view>

namespace lockstep::jinja {

struct Test {
  std::string_view name;
  bool (*body)(Runtime&, const Value&, Arguments);
};

/// Null if there is none.
const Test* find_test(std::string_view name);
/// All names in alphabetic order, for messages.
std::string known_tests();

/// Throws Fault for an unknown name.
bool apply_test(Runtime& runtime, std::string_view name, const Value& value, Arguments arguments);

}  // namespace lockstep::jinja
