#include "core/text/jinja/operators.h"

#include "core/text/jinja/object.h"
#include "core/text/jinja/sequences.h"

#include <algorithm>
#include <cmath>

namespace lockstep::jinja {
namespace {

bool equal_sequences(const Sequence& a, const Sequence& b) {
  if (a.kind != b.kind || a.items.size() != b.items.size()) return false;
  if (a.kind == SequenceKind::kGenerator || a.kind == SequenceKind::kValues) return &a == &b;
  return std::equal(a.items.begin(), a.items.end(), b.items.begin(), equal);
}

bool equal_dicts(const Dict& a, const Dict& b) {
  if (a.size() != b.size()) return false;
  return std::all_of(a.entries().begin(), a.entries().end(), [&](const auto& entry) {
    const Value* other = b.find(entry.first);
    return other && equal(entry.second, *other);
  });
}

int order(auto a, auto b) { return a < b ? -1 : a > b ? 1 : a == b ? 0 : kUnordered; }

void charge_lighter(const Value& a, const Value& b, Budget& budget) { budget.charge(std::min(a.weight(), b.weight())); }

}  // namespace

void require_defined(const Value& value) {
  if (value.is_undefined()) throw Fault(value.undefined_message());
}

bool truth(const Value& value) {
  if (value.is_none() || value.is_undefined()) return false;
  if (value.is_integral()) return value.integer() != 0;
  if (value.is_float()) return value.real() != 0;
  if (value.is_string()) return !value.text().empty();
  if (value.is_dict()) return value.dict().size() != 0;
  if (value.is_object() || value.sequence().kind == SequenceKind::kGenerator) return true;
  return !value.sequence().items.empty();
}

bool equal(const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) return a.integer() == b.integer();
  if (a.is_number() && b.is_number()) return compare(a, b) == 0;
  if (a.is_string() && b.is_string()) return a.text() == b.text();
  if (a.is_sequence() && b.is_sequence()) return equal_sequences(a.sequence(), b.sequence());
  if (a.is_dict() && b.is_dict()) return equal_dicts(a.dict(), b.dict());
  if (a.is_object() && b.is_object()) return &a.object() == &b.object();
  return (a.is_none() && b.is_none()) || (a.is_undefined() && b.is_undefined());
}

int compare(const Value& a, const Value& b) {
  require_defined(a);
  require_defined(b);
  if (a.is_integral() && b.is_integral()) return order(a.integer(), b.integer());
  if (a.is_number() && b.is_number()) {
    // Exact even where an integer has more than 53 bits: long double holds both.
    const auto exact = [](const Value& value) {
      return value.is_float() ? static_cast<long double>(value.real()) : static_cast<long double>(value.integer());
    };
    return order(exact(a), exact(b));
  }
  if (a.is_string() && b.is_string()) return a.text().compare(b.text());  // bytes of UTF-8 order as code points do
  const bool ordered_kind = a.is_sequence(SequenceKind::kList) || a.is_sequence(SequenceKind::kTuple);
  if (ordered_kind && b.is_sequence(a.sequence().kind)) {
    const std::vector<Value>&left = a.sequence().items, &right = b.sequence().items;
    for (std::size_t i = 0; i < std::min(left.size(), right.size()); ++i)
      if (!equal(left[i], right[i])) return compare(left[i], right[i]);
    return order(left.size(), right.size());
  }
  fail("a {} and a {} cannot be ordered", type_name(a), type_name(b));
}

bool holds(Comparison comparison, const Value& a, const Value& b, Budget& budget) {
  const bool is_membership = comparison == Comparison::kIn || comparison == Comparison::kNotIn;
  if (is_membership) return contains(b, a, budget) == (comparison == Comparison::kIn);
  charge_lighter(a, b, budget);
  if (comparison == Comparison::kEqual) return equal(a, b);
  if (comparison == Comparison::kNotEqual) return !equal(a, b);
  const int found = compare(a, b);
  if (found == kUnordered) return false;
  switch (comparison) {
    case Comparison::kLess: return found < 0;
    case Comparison::kLessEqual: return found <= 0;
    case Comparison::kGreater: return found > 0;
    default: return found >= 0;
  }
}

}  // namespace lockstep::jinja
