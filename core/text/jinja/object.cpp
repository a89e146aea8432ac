#include "core/text/jinja/object.h"

namespace lockstep::jinja {

Value Object::call(Runtime&, Arguments) { fail("a {} cannot be called", type()); }

std::optional<Value> Object::attribute(Runtime&, std::string_view) { return std::nullopt; }

std::string Object::text() const { fail("a {} cannot be printed", type()); }

std::optional<Value> Namespace::attribute(Runtime&, std::string_view name) {
  for (const auto& [key, value] : values_)
    if (key == name) return value;
  return std::nullopt;
}

void Namespace::set(const std::string& name, Value value) {
  if (name.starts_with("_")) fail("\"{}\" cannot be an attribute of a namespace: it starts with an underscore", name);
  for (auto& [key, held] : values_) {
    if (key != name) continue;
    held = std::move(value);
    return;
  }
  values_.emplace_back(name, std::move(value));
}

}  // namespace lockstep::jinja
