#include "core/text/jinja/attribute_path.h"

#include "core/text/jinja/attributes.h"
#include "core/text/jinja/operators.h"
#include "core/text/jinja/string_search.h"
#include "core/text/jinja/unicode_text.h"

#include <algorithm>

namespace lockstep::jinja {

AttributePath::AttributePath(const Value& path) {
  require_defined(path);
  if (path.is_none()) return;
  if (!path.is_string()) {
    parts_.push_back(path);
    return;
  }
  for (const std::string_view part : split(path.text(), ".", -1)) {
    const bool is_index = !part.empty() && part.size() < 10 &&
                          std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    parts_.push_back(is_index ? Value(std::stoi(std::string(part))) : Value(part));
  }
}

Value AttributePath::look_up(Runtime& runtime, Value item, const std::optional<Value>& fallback) const {
  for (const Value& part : parts_) {
    item = get_item(runtime, item, part);
    if (fallback && item.is_undefined()) item = *fallback;
  }
  return item;
}

AttributePath attribute_path(const Argument& argument) {
  return argument.absent() ? AttributePath() : AttributePath(argument.value());
}

Value without_case(const Value& value, Budget& budget) {
  if (!value.is_string()) return value;
  budget.charge_bytes(4 * value.text().size());
  return Value(to_lower(value.text()));
}

}  // namespace lockstep::jinja
