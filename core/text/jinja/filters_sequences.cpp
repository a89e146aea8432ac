// Filters on sequences and dicts, but for those that apply another filter or a test to each item.
#include "core/text/jinja/arguments.h"
#include "core/text/jinja/attribute_path.h"
#include "core/text/jinja/attributes.h"
#include "core/text/jinja/filters.h"
#include "core/text/jinja/operators.h"
#include "core/text/jinja/sequences.h"
#include "core/text/jinja/string_search.h"
#include "core/text/jinja/text_form.h"

#include <algorithm>
#include <bit>

namespace lockstep::jinja {
namespace {

/// An item with what it is sorted by.
struct Keyed {
  std::vector<Value> keys;
  Value item;
};

/// Stable in both directions, as Python's sorted().
std::vector<Value> sorted(std::vector<Keyed> entries, bool reverse, Budget& budget) {
  int64_t weight = 0;
  for (const Keyed& entry : entries)
    for (const Value& key : entry.keys) weight += key.weight();
  budget.charge(weight * std::bit_width(entries.size()));
  const auto before = [](const Keyed& a, const Keyed& b) {
    for (std::size_t i = 0; i < a.keys.size(); ++i)
      if (!equal(a.keys[i], b.keys[i])) return compare(a.keys[i], b.keys[i]) < 0;
    return false;
  };
  std::stable_sort(entries.begin(), entries.end(),
                   [&](const Keyed& a, const Keyed& b) { return reverse ? before(b, a) : before(a, b); });
  std::vector<Value> items;
  for (Keyed& entry : entries) items.push_back(std::move(entry.item));
  return items;
}

Value sort(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "sort", {"reverse", "case_sensitive", "attribute"}, 0);
  const bool with_case = bound[1].truth_or(false);
  std::vector<AttributePath> paths;
  if (!bound[2].absent() && bound[2].value().is_string()) {
    for (const std::string_view path : split(bound[2].text(), ",", -1)) paths.emplace_back(Value(path));
  } else {
    paths.push_back(attribute_path(bound[2]));
  }
  std::vector<Keyed> entries;
  for (const Value& item : iterate(value, runtime.budget())) {
    Keyed entry{{}, item};
    for (const AttributePath& path : paths) {
      const Value key = path.look_up(runtime, item);
      entry.keys.push_back(with_case ? key : without_case(key, runtime.budget()));
    }
    entries.push_back(std::move(entry));
  }
  return Value::list(sorted(std::move(entries), bound[0].truth_or(false), runtime.budget()));
}

Value dictsort(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "dictsort", {"case_sensitive", "by", "reverse"}, 0);
  const std::string by = bound[1].text_or("key");
  if (by != "key" && by != "value") fail("dictsort by \"{}\"; accepted: key, value", by);
  require_defined(value);
  if (!value.is_dict()) fail("dictsort takes a dict, not a {}", type_name(value));
  std::vector<Keyed> entries;
  for (const auto& [key, held] : value.dict().entries()) {
    const Value& chosen = by == "key" ? key : held;
    entries.push_back(
        {{bound[0].truth_or(false) ? chosen : without_case(chosen, runtime.budget())}, Value::tuple({key, held})});
  }
  return Value::list(sorted(std::move(entries), bound[2].truth_or(false), runtime.budget()));
}

Value unique(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "unique", {"case_sensitive", "attribute"}, 0);
  const AttributePath path = attribute_path(bound[1]);
  Dict seen;
  std::vector<Value> items;
  for (const Value& item : iterate(value, runtime.budget())) {
    Value key = path.look_up(runtime, item);
    if (!bound[0].truth_or(false)) key = without_case(key, runtime.budget());
    runtime.budget().charge(key.weight());
    if (seen.find(key)) continue;
    seen.set(key, Value());
    items.push_back(item);
  }
  return Value::generator(std::move(items));
}

template <bool kLargest>
Value extreme(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), kLargest ? "max" : "min", {"case_sensitive", "attribute"}, 0);
  const AttributePath path = attribute_path(bound[1]);
  std::optional<Value> best, best_key;
  for (const Value& item : iterate(value, runtime.budget())) {
    Value key = path.look_up(runtime, item);
    if (!bound[0].truth_or(false)) key = without_case(key, runtime.budget());
    runtime.budget().charge(key.weight());
    const bool is_better = !best || (kLargest ? compare(*best_key, key) < 0 : compare(key, *best_key) < 0);
    if (!is_better) continue;
    best = item;
    best_key = std::move(key);
  }
  return best.value_or(Value::undefined("an empty sequence has no smallest and no largest item"));
}

Value sum(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "sum", {"attribute", "start"}, 0);
  const AttributePath path = attribute_path(bound[0]);
  Value total = bound[1].value_or(Value(0));
  if (total.is_string()) fail("sum does not add strings; `join` does");
  for (const Value& item : iterate(value, runtime.budget()))
    total = calculate(BinaryOperator::kAdd, total, path.look_up(runtime, item), runtime.budget());
  return total;
}

Value join(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "join", {"d", "attribute"}, 0);
  const AttributePath path = attribute_path(bound[1]);
  const std::string between = bound[0].given() ? to_text(bound[0].value(), runtime.budget()) : "";
  std::string text;
  bool is_first = true;
  for (const Value& item : iterate(value, runtime.budget())) {
    const std::string part = to_text(path.look_up(runtime, item), runtime.budget());
    runtime.budget().charge_bytes(between.size() + part.size());
    if (!is_first) text += between;
    is_first = false;
    text += part;
    if (text.size() > kMaxOutputBytes) fail("a string of more than {} bytes", kMaxOutputBytes);
  }
  return Value(std::move(text));
}

Value first(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "first", {}, 0);
  if (value.is_sequence(SequenceKind::kGenerator)) {  // takes one item and leaves the others
    const Sequence& generator = value.sequence();
    if (generator.consumed < generator.items.size()) return generator.items[generator.consumed++];
  } else if (const std::vector<Value> items = iterate(value, runtime.budget()); !items.empty()) {
    return items.front();
  }
  return Value::undefined("an empty sequence has no first item");
}

Value last(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "last", {}, 0);
  if (value.is_sequence(SequenceKind::kGenerator)) fail("last does not take a generator; `| list | last` does");
  const std::vector<Value> items = iterate(value, runtime.budget());
  return items.empty() ? Value::undefined("an empty sequence has no last item") : items.back();
}

Value to_list(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "list", {}, 0);
  return Value::list(iterate(value, runtime.budget()));
}

Value reverse(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "reverse", {}, 0);
  if (value.is_string()) return slice(value, Value(), Value(), Value(-1), runtime.budget());
  std::vector<Value> items = iterate(value, runtime.budget());
  std::reverse(items.begin(), items.end());
  if (value.is_sequence(SequenceKind::kGenerator)) return Value::list(std::move(items));
  return Value::generator(std::move(items));
}

Value size(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "length", {}, 0);
  if (value.is_string()) runtime.budget().charge(value.weight());
  return Value(length(value));
}

Value fallback(Runtime&, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "default", {"default_value", "boolean"}, 0);
  const bool is_missing = value.is_undefined() || (bound[1].truth_or(false) && !truth(value));
  return is_missing ? bound[0].value_or(Value("")) : value;
}

Value items(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "items", {}, 0);
  if (!value.is_undefined() && !value.is_dict()) fail("items takes a dict, not a {}", type_name(value));
  std::vector<Value> pairs;
  if (value.is_dict()) {
    runtime.budget().charge(2 * static_cast<int64_t>(value.dict().size()));
    for (const auto& [key, held] : value.dict().entries()) pairs.push_back(Value::tuple({key, held}));
  }
  return Value::generator(std::move(pairs));
}

Value batch(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "batch", {"linecount", "fill_with"}, 1);
  const int64_t most = bound[0].integer();
  if (most < 1 || most > kMaxRange) fail("batches of {}; accepted: 1 to {}", most, kMaxRange);
  std::vector<Value> batches, open;
  for (const Value& item : iterate(value, runtime.budget())) {
    if (static_cast<int64_t>(open.size()) == most) batches.push_back(Value::list(std::exchange(open, {})));
    open.push_back(item);
  }
  if (!open.empty() && !bound[1].absent()) {
    runtime.budget().charge(most);
    open.resize(static_cast<std::size_t>(most), bound[1].value());
  }
  if (!open.empty()) batches.push_back(Value::list(std::move(open)));
  return Value::generator(std::move(batches));
}

Value own_attribute(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "attr", {"name"}, 1);
  return get_own_attribute(runtime, value, bound[0].text());
}

constexpr Filter kSequenceFilters[] = {
    {"attr", own_attribute}, {"batch", batch},  {"count", size},        {"d", fallback},         {"default", fallback},
    {"dictsort", dictsort},  {"first", first},  {"items", items},       {"join", join},          {"last", last},
    {"length", size},        {"list", to_list}, {"max", extreme<true>}, {"min", extreme<false>}, {"reverse", reverse},
    {"sort", sort},          {"sum", sum},      {"unique", unique},
};

}  // namespace

std::span<const Filter> sequence_filters() { return kSequenceFilters; }

}  // namespace lockstep::jinja
