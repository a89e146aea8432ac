// Methods of dict, list, tuple and range.
#include "core/text/jinja/arguments.h"
#include "core/text/jinja/methods.h"
#include "core/text/jinja/operators.h"
#include "core/text/jinja/runtime.h"
#include "core/text/jinja/sequences.h"
#include "core/text/jinja/text_form.h"

#include <algorithm>

namespace lockstep::jinja {
namespace {

Value dict_get(Runtime& runtime, const Value& self, Arguments arguments) {
  const Bound bound(std::move(arguments), "get()", {"key", "default"}, 1);
  runtime.budget().charge(bound[0].value().weight());
  const Value* found = self.dict().find(bound[0].value());
  return found ? *found : bound[1].value_or(Value());
}

template <SequenceKind kKind>
Value dict_view(Runtime& runtime, const Value& self, Arguments arguments) {
  const Bound bound(std::move(arguments), "keys(), values() or items()", {}, 0);
  runtime.budget().charge(2 * static_cast<int64_t>(self.dict().size()));
  std::vector<Value> items;
  for (const auto& [key, value] : self.dict().entries()) {
    if constexpr (kKind == SequenceKind::kKeys) items.push_back(key);
    if constexpr (kKind == SequenceKind::kValues) items.push_back(value);
    if constexpr (kKind == SequenceKind::kItems) items.push_back(Value::tuple({key, value}));
  }
  return Value::sequence(kKind, std::move(items));
}

Value same(Runtime&, const Value& self, Arguments arguments) {
  const Bound bound(std::move(arguments), "copy()", {}, 0);
  return self;  // values do not change, so a copy is the value
}

Value count(Runtime& runtime, const Value& self, Arguments arguments) {
  const Bound bound(std::move(arguments), "count()", {"value"}, 1);
  runtime.budget().charge(self.weight());
  const std::vector<Value>& items = self.sequence().items;
  return Value(int64_t{
      std::count_if(items.begin(), items.end(), [&](const Value& item) { return equal(item, bound[0].value()); })});
}

Value index(Runtime& runtime, const Value& self, Arguments arguments) {
  const Bound bound(std::move(arguments), "index()", {"value", "start", "stop"}, 1);
  runtime.budget().charge(self.weight());
  const std::vector<Value>& items = self.sequence().items;
  const auto size = static_cast<int64_t>(items.size());
  const auto place = [&](int64_t at) { return std::clamp(at < 0 ? std::max(at, -size) + size : at, int64_t{0}, size); };
  for (int64_t i = place(bound[1].integer_or(0)); i < place(bound[2].integer_or(size)); ++i)
    if (equal(items[static_cast<std::size_t>(i)], bound[0].value())) return Value(i);
  fail("{} is not in the {}", to_repr(bound[0].value(), runtime.budget()), type_name(self));
}

constexpr Method kDictMethods[] = {{"get", dict_get},
                                   {"keys", dict_view<SequenceKind::kKeys>},
                                   {"values", dict_view<SequenceKind::kValues>},
                                   {"items", dict_view<SequenceKind::kItems>},
                                   {"copy", same}};
constexpr Method kListMethods[] = {{"count", count}, {"index", index}, {"copy", same}};
constexpr Method kTupleMethods[] = {{"count", count}, {"index", index}};
constexpr Method kLoopMethods[] = {{"cycle", nullptr}, {"changed", nullptr}};

}  // namespace

std::span<const Method> dict_methods() { return kDictMethods; }
std::span<const Method> list_methods() { return kListMethods; }
std::span<const Method> tuple_methods() { return kTupleMethods; }
std::span<const Method> loop_method_names() { return kLoopMethods; }

}  // namespace lockstep::jinja
