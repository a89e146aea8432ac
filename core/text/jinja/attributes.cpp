#include "core/text/jinja/attributes.h"

#include "core/text/jinja/methods.h"
#include "core/text/jinja/operators.h"
#include "core/text/jinja/sequences.h"
#include "core/text/jinja/text_form.h"

#include <algorithm>

namespace lockstep::jinja {
namespace {

constexpr std::string_view kListMutators[] = {"append", "clear",  "extend",  "insert",
                                              "pop",    "remove", "reverse", "sort"};
constexpr std::string_view kDictMutators[] = {"clear", "pop", "popitem", "setdefault", "update"};

template <typename Names>
bool has(const Names& names, std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

std::span<const Method> methods_of(const Value& value) {
  if (value.is_string()) return string_methods();
  if (value.is_dict()) return dict_methods();
  if (value.is_sequence(SequenceKind::kList)) return list_methods();
  if (value.is_sequence(SequenceKind::kTuple) || value.is_sequence(SequenceKind::kRange)) return tuple_methods();
  return {};
}

std::string owner(const Value& value) {
  return value.is_none() ? "None" : fmt::format("'{} object'", type_name(value));
}

std::optional<Value> own_attribute(Runtime& runtime, const Value& value, std::string_view name) {
  if (value.is_object()) return value.object().attribute(runtime, name);
  if (const Function::Body method = find_method(value, name))
    return Value(std::shared_ptr<Object>(std::make_shared<Function>(method, value)));
  const bool changes = (value.is_dict() && has(kDictMutators, name)) ||
                       (value.is_sequence(SequenceKind::kList) && has(kListMutators, name));
  if (changes)
    return Value::undefined(fmt::format("{}.{}() is not allowed: values cannot be changed", type_name(value), name));
  return std::nullopt;
}

Value no_attribute(const Value& value, std::string_view name) {
  return Value::undefined(fmt::format("{} has no attribute '{}'", owner(value), name));
}

}  // namespace

Function::Body find_method(const Value& receiver, std::string_view name) {
  for (const Method& method : methods_of(receiver))
    if (method.name == name) return method.body;
  return nullptr;
}

bool is_known_method(std::string_view name) {
  for (const auto methods : {string_methods(), dict_methods(), list_methods(), tuple_methods(), loop_method_names()})
    for (const Method& method : methods)
      if (method.name == name) return true;
  return has(kListMutators, name) || has(kDictMutators, name);
}

Value get_attribute(Runtime& runtime, const Value& value, std::string_view name) {
  require_defined(value);
  if (std::optional<Value> own = own_attribute(runtime, value, name)) return *std::move(own);
  if (value.is_dict())
    if (const Value* element = value.dict().find(name)) return *element;
  return no_attribute(value, name);
}

Value get_own_attribute(Runtime& runtime, const Value& value, std::string_view name) {
  require_defined(value);
  return own_attribute(runtime, value, name).value_or(no_attribute(value, name));
}

Value get_item(Runtime& runtime, const Value& value, const Value& key) {
  require_defined(value);
  if (std::optional<Value> element = subscript(value, key, runtime.budget())) return *std::move(element);
  if (key.is_string()) {
    if (std::optional<Value> own = own_attribute(runtime, value, key.text())) return *std::move(own);
    return no_attribute(value, key.text());
  }
  return Value::undefined(fmt::format("{} has no element {}", owner(value), to_repr(key, runtime.budget())));
}

}  // namespace lockstep::jinja
