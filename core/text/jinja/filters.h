// Jinja2's filters, with `tojson` as transformers defines it.
#pragma once

#include "core/text/jinja/object.h"
#include "core/text/jinja/runtime.h"

#include <span>
#include <string>
#include <string_view>

namespace lockstep::jinja {

struct Filter {
  std::string_view name;
  Value (*body)(Runtime&, const Value&, Arguments);
};

// One table per file: filters_text.cpp, filters_numbers.cpp, filters_sequences.cpp, filters_selection.cpp.
std::span<const Filter> text_filters();
std::span<const Filter> number_filters();
std::span<const Filter> sequence_filters();
std::span<const Filter> selection_filters();

/// Null if there is none.
const Filter* find_filter(std::string_view name);
/// All names in alphabetic order, for messages.
std::string known_filters();

/// Throws Fault for an unknown name.
Value apply_filter(Runtime& runtime, std::string_view name, const Value& value, Arguments arguments);

}  // namespace lockstep::jinja
