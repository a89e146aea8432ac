#include "core/text/jinja/filters.h"

#include <algorithm>
#include <vector>

namespace lockstep::jinja {
namespace {

constexpr auto kTables = {text_filters, number_filters, sequence_filters, selection_filters};

}  // namespace

const Filter* find_filter(std::string_view name) {
  for (const auto table : kTables)
    for (const Filter& filter : table())
      if (filter.name == name) return &filter;
  return nullptr;
}

std::string known_filters() {
  std::vector<std::string_view> names;
  for (const auto table : kTables)
    for (const Filter& filter : table()) names.push_back(filter.name);
  std::sort(names.begin(), names.end());
  return fmt::format("{}", fmt::join(names, ", "));
}

Value apply_filter(Runtime& runtime, std::string_view name, const Value& value, Arguments arguments) {
  const Filter* filter = find_filter(name);
  if (!filter) fail("unknown filter '{}'; known: {}", name, known_filters());
  return filter->body(runtime, value, std::move(arguments));
}

}  // namespace lockstep::jinja
