// Length, iteration, membership, subscripts and slices.
#pragma once

#include "core/text/jinja/value.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace lockstep::jinja {

/// len(). Throws Fault where the value has none.
int64_t length(const Value& value);

bool is_iterable(const Value& value);

/// All that iterating gives: characters of a string, keys of a dict, nothing of what is undefined; what a generator has
/// left, which is then used up. Throws Fault for what cannot be iterated.
std::vector<Value> iterate(const Value& value, Budget& budget);

/// `item in container`.
bool contains(const Value& container, const Value& item, Budget& budget);

/// container[key]; nullopt if there is no such element, or the container takes no subscripts.
std::optional<Value> subscript(const Value& container, const Value& key, Budget& budget);

/// container[start:stop:step], each an integer or None.
Value slice(const Value& container, const Value& start, const Value& stop, const Value& step, Budget& budget);

/// range(start, stop, step). Throws Fault for step 0 and for more than kMaxRange numbers.
Value make_range(int64_t start, int64_t stop, int64_t step, Budget& budget);

}  // namespace lockstep::jinja
