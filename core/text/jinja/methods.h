// The methods of Python's types that a template may call. Use them through attributes.h.
#pragma once

#include "core/text/jinja/object.h"

#include <span>
#include <string_view>

namespace lockstep::jinja {

struct Method {
  std::string_view name;
  Function::Body body;  // null in loop_method_names()
};

std::span<const Method> string_methods();
std::span<const Method> dict_methods();
std::span<const Method> list_methods();
std::span<const Method> tuple_methods();
/// Of `loop`, which has its own object.
std::span<const Method> loop_method_names();

}  // namespace lockstep::jinja
