#include "core/text/jinja/sequences.h"

#include "core/text/jinja/object.h"
#include "core/text/jinja/operators.h"
#include "core/text/jinja/string_search.h"
#include "core/text/jinja/unicode_text.h"

#include <algorithm>
#include <limits>

namespace lockstep::jinja {
namespace {

bool takes_subscripts(const Value& value) {
  if (value.is_string()) return true;
  if (!value.is_sequence()) return false;
  const SequenceKind kind = value.sequence().kind;
  return kind == SequenceKind::kList || kind == SequenceKind::kTuple || kind == SequenceKind::kRange;
}

struct Bounds {
  int64_t start, stop, step, count;
};

/// What Python's slice.indices() gives.
Bounds resolve(const Value& start, const Value& stop, const Value& step, int64_t size) {
  const auto integer = [](const Value& value, int64_t fallback) {
    require_defined(value);
    if (value.is_none()) return fallback;
    if (!value.is_integral()) fail("a slice takes integers, not a {}", type_name(value));
    return value.integer();
  };
  Bounds bounds{};
  bounds.step = integer(step, 1);
  if (bounds.step == 0) fail("a slice of step 0");
  // Lengths are far below 2^62, so a larger step is the same as this one, and sums cannot overflow.
  constexpr int64_t kFar = int64_t{1} << 62;
  bounds.step = std::clamp(bounds.step, -kFar, kFar);
  const bool backwards = bounds.step < 0;
  const int64_t lowest = backwards ? -1 : 0, highest = backwards ? size - 1 : size;
  const auto place = [&](const Value& value, int64_t fallback) {
    int64_t index = integer(value, fallback);
    if (value.is_none()) return index;
    if (index < 0) index = std::max(index, -kFar) + size;
    return std::clamp(index, lowest, highest);
  };
  bounds.start = place(start, backwards ? highest : lowest);
  bounds.stop = place(stop, backwards ? lowest : highest);
  const int64_t distance = backwards ? bounds.start - bounds.stop : bounds.stop - bounds.start;
  const int64_t stride = backwards ? -bounds.step : bounds.step;
  bounds.count = distance > 0 ? (distance - 1) / stride + 1 : 0;
  return bounds;
}

std::vector<Value> keys_of(const Dict& dict) {
  std::vector<Value> keys;
  for (const auto& [key, value] : dict.entries()) keys.push_back(key);
  return keys;
}

}  // namespace

int64_t length(const Value& value) {
  if (value.is_string()) return count_code_points(value.text());
  if (value.is_dict()) return static_cast<int64_t>(value.dict().size());
  if (value.is_undefined()) return 0;
  if (value.is_sequence() && value.sequence().kind != SequenceKind::kGenerator)
    return static_cast<int64_t>(value.sequence().items.size());
  fail("a {} has no length", type_name(value));
}

bool is_iterable(const Value& value) {
  return value.is_string() || value.is_sequence() || value.is_dict() || value.is_undefined();
}

std::vector<Value> iterate(const Value& value, Budget& budget) {
  if (value.is_undefined()) return {};
  if (value.is_string()) {
    std::vector<Value> characters;
    budget.charge(static_cast<int64_t>(value.text().size()));
    for (const std::string_view character : CodePoints(value.text())) characters.emplace_back(character);
    return characters;
  }
  if (value.is_dict()) {
    budget.charge(static_cast<int64_t>(value.dict().size()));
    return keys_of(value.dict());
  }
  if (!value.is_sequence()) fail("a {} cannot be iterated", type_name(value));
  const Sequence& sequence = value.sequence();
  const auto from = sequence.items.begin() + static_cast<std::ptrdiff_t>(sequence.consumed);
  budget.charge(sequence.items.end() - from);
  std::vector<Value> items(from, sequence.items.end());
  if (sequence.kind == SequenceKind::kGenerator) sequence.consumed = sequence.items.size();
  return items;
}

bool contains(const Value& container, const Value& item, Budget& budget) {
  if (container.is_string()) {
    require_defined(item);
    if (!item.is_string()) fail("`in` a string takes a string on its left, not a {}", type_name(item));
    budget.charge(container.weight());
    return find_text(container.text(), item.text()) != std::string_view::npos;
  }
  budget.charge(item.weight());
  if (container.is_dict()) return container.dict().find(item) != nullptr;
  budget.charge(container.weight());
  const std::vector<Value> items = iterate(container, budget);
  return std::any_of(items.begin(), items.end(), [&](const Value& held) { return equal(held, item); });
}

std::optional<Value> subscript(const Value& container, const Value& key, Budget& budget) {
  require_defined(container);
  budget.charge(key.weight());
  if (container.is_dict()) {
    const bool hashable = !key.is_dict() && (!key.is_sequence() || key.is_sequence(SequenceKind::kTuple));
    const Value* found = hashable ? container.dict().find(key) : nullptr;
    return found ? std::optional<Value>(*found) : std::nullopt;
  }
  if (!takes_subscripts(container) || !key.is_integral()) return std::nullopt;
  if (container.is_string()) budget.charge(container.weight());
  const int64_t size = length(container);
  int64_t index = key.integer();
  if (index < 0) index = std::max(index, -size - 1) + size;
  if (index < 0 || index >= size) return std::nullopt;
  if (container.is_string()) return Value(code_points(container.text(), index, 1));
  return container.sequence().items[static_cast<std::size_t>(index)];
}

Value slice(const Value& container, const Value& start, const Value& stop, const Value& step, Budget& budget) {
  require_defined(container);
  if (!takes_subscripts(container)) fail("a {} has no slices", type_name(container));
  const Bounds bounds = resolve(start, stop, step, length(container));
  if (container.is_string()) {
    budget.charge_bytes(container.text().size());
    if (bounds.step == 1) return Value(code_points(container.text(), bounds.start, bounds.count));
    std::vector<std::string_view> characters;
    for (const std::string_view character : CodePoints(container.text())) characters.push_back(character);
    std::string text;
    for (int64_t i = 0; i < bounds.count; ++i)
      text += characters[static_cast<std::size_t>(bounds.start + i * bounds.step)];
    return Value(std::move(text));
  }
  budget.charge(bounds.count);
  const Sequence& sequence = container.sequence();
  std::vector<Value> items;
  for (int64_t i = 0; i < bounds.count; ++i)
    items.push_back(sequence.items[static_cast<std::size_t>(bounds.start + i * bounds.step)]);
  if (sequence.kind != SequenceKind::kRange) return Value::sequence(sequence.kind, std::move(items));
  const auto [first, end, stride] = sequence.range;
  return make_range(first + bounds.start * stride, first + bounds.stop * stride, stride * bounds.step, budget);
}

Value make_range(int64_t start, int64_t stop, int64_t step, Budget& budget) {
  if (step == 0) fail("range() with a step of 0");
  const auto wide = [](int64_t value) { return static_cast<__int128>(value); };
  const __int128 distance = step > 0 ? wide(stop) - start : wide(start) - stop;
  const __int128 stride = step > 0 ? wide(step) : -wide(step);
  const __int128 count = distance > 0 ? (distance - 1) / stride + 1 : 0;
  if (count > kMaxRange) fail("a range of more than {} numbers", kMaxRange);
  budget.charge(static_cast<int64_t>(count));
  auto made = std::make_shared<Sequence>();
  made->kind = SequenceKind::kRange;
  made->range = {start, stop, step};
  for (__int128 i = 0; i < count; ++i) made->items.emplace_back(static_cast<int64_t>(start + i * step));
  made->weight += static_cast<int64_t>(made->items.size());
  return Value(std::shared_ptr<const Sequence>(std::move(made)));
}

}  // namespace lockstep::jinja
