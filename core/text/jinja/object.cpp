#include "core/text/jinja/object.h"

namespace lockstep::jinja {

Value Object::call(Runtime&, Arguments) { fail("a {} cannot be called", type()); }

std::optional<Value> Object::attribute(Runtime&, std::string_view) { return std::nullopt; }

std::string Object::text() const { fail("a {} cannot be printed", type()); }

std::optional<Value> Namespace::attribute(Runtime&, std::string_view name) {
  const auto found = values_.find(name);
  return found == values_.end() ? std::nullopt : std::optional<Value>(found->second);
}

void Namespace::set(const std::string& name, Value value) {
  if (name.starts_with("_")) fail("\"{}\" cannot be an attribute of a namespace: it starts with an underscore", name);
  values_.insert_or_assign(name, std::move(value));
}

}  // namespace lockstep::jinja
