// Filters that apply another filter or a test to each item. Jinja2 gives generators that work as they are read; here
// all items are worked on at once.
#include "core/text/jinja/arguments.h"
#include "core/text/jinja/attribute_path.h"
#include "core/text/jinja/filters.h"
#include "core/text/jinja/operators.h"
#include "core/text/jinja/sequences.h"
#include "core/text/jinja/tests.h"

namespace lockstep::jinja {
namespace {

/// Moves the first argument by place to `first`; false if there is none.
bool take_first(Arguments& arguments, Value& first) {
  if (arguments.positional.empty()) return false;
  first = std::move(arguments.positional.front());
  arguments.positional.erase(arguments.positional.begin());
  return true;
}

std::string name_of(const Value& value, std::string_view what) {
  if (!value.is_string()) fail("the name of a {} is a {}; a str is expected", what, type_name(value));
  return value.text();
}

std::vector<Value> map_attribute(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "map", {"attribute", "default"}, 1);
  const AttributePath path(bound[0].value());
  const auto fallback = bound[1].absent() ? std::nullopt : std::optional<Value>(bound[1].value());
  std::vector<Value> items;
  for (const Value& item : iterate(value, runtime.budget())) items.push_back(path.look_up(runtime, item, fallback));
  return items;
}

Value map(Runtime& runtime, const Value& value, Arguments arguments) {
  if (!truth(value)) return Value::generator({});
  Value filter;
  if (!take_first(arguments, filter)) {
    if (arguments.named.empty()) fail("map needs the name of a filter, or attribute=…");
    return Value::generator(map_attribute(runtime, value, std::move(arguments)));
  }
  const std::string name = name_of(filter, "filter");
  std::vector<Value> items;
  for (const Value& item : iterate(value, runtime.budget())) {
    runtime.budget().charge(1);
    items.push_back(apply_filter(runtime, name, item, arguments));
  }
  return Value::generator(std::move(items));
}

template <bool kByAttribute, bool kKeep>
Value select(Runtime& runtime, const Value& value, Arguments arguments) {
  if (!truth(value)) return Value::generator({});
  AttributePath path;
  if (kByAttribute) {
    Value attribute;
    if (!take_first(arguments, attribute)) fail("selectattr and rejectattr need the name of an attribute");
    path = AttributePath(attribute);
  }
  Value test;
  const bool has_test = take_first(arguments, test);
  if (!has_test && !arguments.named.empty()) fail("arguments without a test");
  const std::string name = has_test ? name_of(test, "test") : "";
  std::vector<Value> items;
  for (const Value& item : iterate(value, runtime.budget())) {
    runtime.budget().charge(1);
    const Value subject = path.look_up(runtime, item);
    const bool passes = has_test ? apply_test(runtime, name, subject, arguments) : truth(subject);
    if (passes == kKeep) items.push_back(item);
  }
  return Value::generator(std::move(items));
}

constexpr Filter kSelectionFilters[] = {{"map", map},
                                        {"reject", select<false, false>},
                                        {"rejectattr", select<true, false>},
                                        {"select", select<false, true>},
                                        {"selectattr", select<true, true>}};

}  // namespace

std::span<const Filter> selection_filters() { return kSelectionFilters; }

}  // namespace lockstep::jinja
