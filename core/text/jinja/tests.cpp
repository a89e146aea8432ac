#include "core/text/jinja/tests.h"

#include "core/text/jinja/arguments.h"
#include "core/text/jinja/filters.h"
#include "core/text/jinja/operators.h"
#include "core/text/jinja/sequences.h"
#include "core/text/jinja/text_form.h"
#include "core/text/jinja/unicode_text.h"
#include "core/text/utf8.h"

#include <algorithm>
#include <vector>

namespace lockstep::jinja {
namespace {

template <bool (*kIs)(const Value&)>
bool plain(Runtime&, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "the test", {}, 0);
  return kIs(value);
}

template <Comparison kComparison>
bool compared(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "the test", {"other"}, 1);
  return holds(kComparison, value, bound[0].value(), runtime.budget());
}

bool leaves(const Value& value, const Value& divisor, int64_t rest, Budget& budget) {
  return equal(calculate(BinaryOperator::kModulo, value, divisor, budget), Value(rest));
}

template <int64_t kRest>
bool parity(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "the test", {}, 0);
  return leaves(value, Value(2), kRest, runtime.budget());
}

bool divisible_by(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "divisibleby", {"num"}, 1);
  return leaves(value, bound[0].value(), 0, runtime.budget());
}

bool same_as(Runtime&, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "sameas", {"other"}, 1);
  return value.is_same(bound[0].value());
}

/// True if the text has kIs letters and no kIsNot ones.
template <bool (*kIs)(char32_t), bool (*kIsNot)(char32_t)>
bool cased(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "the test", {}, 0);
  const std::string text = to_text(value, runtime.budget());
  runtime.budget().charge_bytes(text.size());
  bool has_one = false;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    if (kIsNot(c)) return false;
    has_one = has_one || kIs(c);
  }
  return has_one;
}

bool is_filter(Runtime&, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "filter", {}, 0);
  return value.is_string() && find_filter(value.text());
}

bool is_test(Runtime&, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "test", {}, 0);
  return value.is_string() && find_test(value.text());
}

bool defined(const Value& value) { return !value.is_undefined(); }
bool undefined(const Value& value) { return value.is_undefined(); }
bool none(const Value& value) { return value.is_none(); }
bool boolean(const Value& value) { return value.is_bool(); }
bool is_true(const Value& value) { return value.is_bool() && value.boolean(); }
bool is_false(const Value& value) { return value.is_bool() && !value.boolean(); }
bool integer(const Value& value) { return value.is_int(); }
bool real(const Value& value) { return value.is_float(); }
bool number(const Value& value) { return value.is_number(); }
bool string(const Value& value) { return value.is_string(); }
bool mapping(const Value& value) { return value.is_dict(); }
bool callable(const Value& value) {
  return value.is_undefined() || (value.is_object() && value.object().is_callable());
}
bool sequence(const Value& value) {  // has a length and takes subscripts; what is undefined has both
  if (!value.is_sequence()) return value.is_string() || value.is_dict() || value.is_undefined();
  const SequenceKind kind = value.sequence().kind;
  return kind == SequenceKind::kList || kind == SequenceKind::kTuple || kind == SequenceKind::kRange;
}
bool escaped(const Value& value) { return value.is_markup(); }

constexpr Test kTests[] = {
    {"!=", compared<Comparison::kNotEqual>},
    {"<", compared<Comparison::kLess>},
    {"<=", compared<Comparison::kLessEqual>},
    {"==", compared<Comparison::kEqual>},
    {">", compared<Comparison::kGreater>},
    {">=", compared<Comparison::kGreaterEqual>},
    {"boolean", plain<boolean>},
    {"callable", plain<callable>},
    {"defined", plain<defined>},
    {"divisibleby", divisible_by},
    {"eq", compared<Comparison::kEqual>},
    {"equalto", compared<Comparison::kEqual>},
    {"escaped", plain<escaped>},
    {"even", parity<0>},
    {"false", plain<is_false>},
    {"filter", is_filter},
    {"float", plain<real>},
    {"ge", compared<Comparison::kGreaterEqual>},
    {"greaterthan", compared<Comparison::kGreater>},
    {"gt", compared<Comparison::kGreater>},
    {"in", compared<Comparison::kIn>},
    {"integer", plain<integer>},
    {"iterable", plain<is_iterable>},
    {"le", compared<Comparison::kLessEqual>},
    {"lessthan", compared<Comparison::kLess>},
    {"lower", cased<is_lower, is_upper>},
    {"lt", compared<Comparison::kLess>},
    {"mapping", plain<mapping>},
    {"ne", compared<Comparison::kNotEqual>},
    {"none", plain<none>},
    {"number", plain<number>},
    {"odd", parity<1>},
    {"sameas", same_as},
    {"sequence", plain<sequence>},
    {"string", plain<string>},
    {"test", is_test},
    {"true", plain<is_true>},
    {"undefined", plain<undefined>},
    {"upper", cased<is_upper, is_lower>},
};

}  // namespace

const Test* find_test(std::string_view name) {
  const auto found =
      std::find_if(std::begin(kTests), std::end(kTests), [&](const Test& test) { return test.name == name; });
  return found == std::end(kTests) ? nullptr : found;
}

std::string known_tests() {
  std::vector<std::string_view> names;
  for (const Test& test : kTests) names.push_back(test.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

bool apply_test(Runtime& runtime, std::string_view name, const Value& value, Arguments arguments) {
  const Test* test = find_test(name);
  if (!test) fail("unknown test '{}'; known: {}", name, known_tests());
  return test->body(runtime, value, std::move(arguments));
}

}  // namespace lockstep::jinja
