// Methods of str.
#include "core/text/jinja/arguments.h"
#include "core/text/jinja/format_spec.h"
#include "core/text/jinja/methods.h"
#include "core/text/jinja/operators.h"
#include "core/text/jinja/runtime.h"
#include "core/text/jinja/sequences.h"
#include "core/text/jinja/string_search.h"
#include "core/text/jinja/unicode_text.h"
#include "core/text/utf8.h"

#include <algorithm>

namespace lockstep::jinja {
namespace {

template <std::string (*kMap)(std::string_view)>
Value mapped(Runtime& runtime, const Value& self, Arguments arguments) {
  const Bound bound(std::move(arguments), "a method of str", {}, 0);
  runtime.budget().charge(4 * self.weight());
  std::string text = kMap(self.text());
  runtime.budget().charge_bytes(text.size());
  return Value(std::move(text));
}

template <Side kSide>
Value strip(Runtime& runtime, const Value& self, Arguments arguments) {
  const Bound bound(std::move(arguments), "strip()", {"chars"}, 0);
  runtime.budget().charge_bytes(self.text().size());
  if (bound[0].absent()) return Value(stripped(self.text(), kSide));
  charge_product(self.text(), bound[0].text(), runtime.budget());
  return Value(stripped(self.text(), kSide, bound[0].text()));
}

template <bool kFromRight>
Value split_method(Runtime& runtime, const Value& self, Arguments arguments) {
  const Bound bound(std::move(arguments), "split()", {"sep", "maxsplit"}, 0);
  const int64_t limit = bound[1].integer_or(-1);
  runtime.budget().charge(static_cast<int64_t>(self.text().size()));
  std::vector<std::string_view> parts;
  if (bound[0].absent()) {
    parts = kFromRight ? split_at_space_from_right(self.text(), limit) : split_at_space(self.text(), limit);
  } else {
    if (bound[0].text().empty()) fail("split() by an empty separator");
    if (kFromRight) charge_product(self.text(), bound[0].text(), runtime.budget());
    parts =
        kFromRight ? split_from_right(self.text(), bound[0].text(), limit) : split(self.text(), bound[0].text(), limit);
  }
  return Value::list({parts.begin(), parts.end()});
}

Value split_lines_method(Runtime& runtime, const Value& self, Arguments arguments) {
  const Bound bound(std::move(arguments), "splitlines()", {"keepends"}, 0);
  runtime.budget().charge(static_cast<int64_t>(self.text().size()));
  const std::vector<std::string_view> lines = split_lines(self.text(), bound[0].truth_or(false));
  return Value::list({lines.begin(), lines.end()});
}

/// The part of self that arguments 1 and 2, start and stop, leave; and where it begins.
struct Window {
  std::string_view text;
  int64_t first = 0;
  bool is_inside = true;  // false if start lies behind the end, where even "" is not found
};

Window window(const std::string& text, const Bound& bound) {
  if (bound[1].absent() && bound[2].absent()) return {text, 0};
  const int64_t size = count_code_points(text);
  const auto place = [&](int64_t at) { return at < 0 ? std::max(int64_t{0}, std::max(at, -size) + size) : at; };
  const int64_t first = place(bound[1].integer_or(0)), last = std::min(size, place(bound[2].integer_or(size)));
  if (first > last) return {"", first, false};
  return {code_points(text, first, last - first), first};
}

template <bool kAtEnd>
Value has_affix(Runtime& runtime, const Value& self, Arguments arguments) {
  const Bound bound(std::move(arguments), kAtEnd ? "endswith()" : "startswith()", {"affix", "start", "stop"}, 1);
  runtime.budget().charge(self.weight());
  const Window part = window(self.text(), bound);
  const auto matches = [&](const Value& affix) {
    if (!affix.is_string()) fail("startswith() and endswith() take a str or a tuple of them");
    return part.is_inside && (kAtEnd ? part.text.ends_with(affix.text()) : part.text.starts_with(affix.text()));
  };
  const Value& affix = bound[0].value();
  require_defined(affix);
  if (!affix.is_sequence(SequenceKind::kTuple)) return Value(matches(affix));
  const std::vector<Value>& choices = affix.sequence().items;
  return Value(std::any_of(choices.begin(), choices.end(), matches));
}

template <bool kFromRight, bool kMustExist>
Value find(Runtime& runtime, const Value& self, Arguments arguments) {
  const Bound bound(std::move(arguments), "find()", {"sub", "start", "stop"}, 1);
  runtime.budget().charge(self.weight());
  const Window part = window(self.text(), bound);
  const std::string& wanted = bound[0].text();
  if (kFromRight) charge_product(self.text(), wanted, runtime.budget());
  const std::size_t found = !part.is_inside ? std::string_view::npos
                            : kFromRight    ? part.text.rfind(wanted)
                                            : find_text(part.text, wanted);
  if (found != std::string_view::npos) return Value(part.first + count_code_points(part.text.substr(0, found)));
  if (kMustExist) fail("index(): the substring is not found");
  return Value(int64_t{-1});
}

Value count(Runtime& runtime, const Value& self, Arguments arguments) {
  const Bound bound(std::move(arguments), "count()", {"sub", "start", "stop"}, 1);
  runtime.budget().charge(self.weight());
  const Window part = window(self.text(), bound);
  if (!part.is_inside) return Value(int64_t{0});
  if (bound[0].text().empty()) return Value(count_code_points(part.text) + 1);
  return Value(static_cast<int64_t>(split(part.text, bound[0].text(), -1).size()) - 1);
}

Value replace(Runtime& runtime, const Value& self, Arguments arguments) {
  const Bound bound(std::move(arguments), "replace()", {"old", "new", "count"}, 2);
  return Value(replaced(self.text(), bound[0].text(), bound[1].text(), bound[2].integer_or(-1), runtime.budget()));
}

Value join(Runtime& runtime, const Value& self, Arguments arguments) {
  const Bound bound(std::move(arguments), "join()", {"iterable"}, 1);
  std::string text;
  bool is_first = true;
  for (const Value& item : iterate(bound[0].value(), runtime.budget())) {
    if (!item.is_string()) fail("join() takes strings, not a {}", type_name(item));
    runtime.budget().charge_bytes(self.text().size() + item.text().size());
    if (!is_first) text += self.text();
    is_first = false;
    text += item.text();
    if (text.size() > kMaxOutputBytes) fail("a string of more than {} bytes", kMaxOutputBytes);
  }
  return Value(std::move(text));
}

Value format(Runtime& runtime, const Value& self, Arguments arguments) {
  return Value(brace_format(self.text(), arguments.positional, arguments.named, runtime.budget()));
}

template <bool kFromRight>
Value partition(Runtime& runtime, const Value& self, Arguments arguments) {
  const Bound bound(std::move(arguments), "partition()", {"sep"}, 1);
  runtime.budget().charge_bytes(self.text().size());
  const std::string_view text = self.text();
  const std::string& separator = bound[0].text();
  if (separator.empty()) fail("partition() by an empty separator");
  if (kFromRight) charge_product(text, separator, runtime.budget());
  const std::size_t found = kFromRight ? text.rfind(separator) : find_text(text, separator);
  if (found == std::string_view::npos) return kFromRight ? Value::tuple({"", "", self}) : Value::tuple({self, "", ""});
  return Value::tuple({text.substr(0, found), separator, text.substr(found + separator.size())});
}

template <bool kAtEnd>
Value remove_affix(Runtime& runtime, const Value& self, Arguments arguments) {
  const Bound bound(std::move(arguments), "removeprefix() or removesuffix()", {"affix"}, 1);
  runtime.budget().charge_bytes(self.text().size());
  std::string_view text = self.text();
  const std::string& affix = bound[0].text();
  if (kAtEnd ? text.ends_with(affix) : text.starts_with(affix))
    kAtEnd ? text.remove_suffix(affix.size()) : text.remove_prefix(affix.size());
  return Value(text);
}

template <char kAlign>
Value justify(Runtime& runtime, const Value& self, Arguments arguments) {
  const Bound bound(std::move(arguments), "ljust() or rjust()", {"width", "fillchar"}, 1);
  FormatSpec spec;
  spec.align = kAlign;
  spec.fill = bound[1].text_or(" ");
  if (count_code_points(spec.fill) != 1) fail("the fill character is \"{}\"; one character is expected", spec.fill);
  if (bound[0].integer() > kMaxFormatWidth) fail("a width above {}", kMaxFormatWidth);
  spec.width = static_cast<int>(std::max(int64_t{0}, bound[0].integer()));
  return Value(formatted(self, spec, runtime.budget()));
}

/// True if the text has characters and each satisfies kIs.
template <bool (*kIs)(char32_t)>
Value all_are(Runtime& runtime, const Value& self, Arguments arguments) {
  const Bound bound(std::move(arguments), "a method of str", {}, 0);
  runtime.budget().charge_bytes(self.text().size());
  for (std::size_t at = 0; at < self.text().size();)
    if (!kIs(next_code_point(self.text(), at))) return Value(false);
  return Value(!self.text().empty());
}

/// True if the text has kIs characters and no kIsNot ones.
template <bool (*kIs)(char32_t), bool (*kIsNot)(char32_t)>
Value all_cased_are(Runtime& runtime, const Value& self, Arguments arguments) {
  const Bound bound(std::move(arguments), "a method of str", {}, 0);
  runtime.budget().charge_bytes(self.text().size());
  bool has_one = false;
  for (std::size_t at = 0; at < self.text().size();) {
    const char32_t c = next_code_point(self.text(), at);
    if (kIsNot(c)) return Value(false);
    has_one = has_one || kIs(c);
  }
  return Value(has_one);
}

constexpr Method kStringMethods[] = {
    {"upper", mapped<to_upper>},
    {"lower", mapped<to_lower>},
    {"capitalize", mapped<capitalized>},
    {"title", mapped<titled>},
    {"strip", strip<Side::kBoth>},
    {"lstrip", strip<Side::kLeft>},
    {"rstrip", strip<Side::kRight>},
    {"split", split_method<false>},
    {"rsplit", split_method<true>},
    {"splitlines", split_lines_method},
    {"startswith", has_affix<false>},
    {"endswith", has_affix<true>},
    {"find", find<false, false>},
    {"rfind", find<true, false>},
    {"index", find<false, true>},
    {"rindex", find<true, true>},
    {"count", count},
    {"replace", replace},
    {"join", join},
    {"format", format},
    {"partition", partition<false>},
    {"rpartition", partition<true>},
    {"removeprefix", remove_affix<false>},
    {"removesuffix", remove_affix<true>},
    {"ljust", justify<'<'>},
    {"rjust", justify<'>'>},
    {"isspace", all_are<is_space>},
    {"isdigit", all_are<is_digit>},
    {"isalpha", all_are<is_letter>},
    {"isalnum", all_are<is_alphanumeric>},
    {"isupper", all_cased_are<is_upper, is_lower>},
    {"islower", all_cased_are<is_lower, is_upper>},
};

}  // namespace

std::span<const Method> string_methods() { return kStringMethods; }

}  // namespace lockstep::jinja
