// Filters that make text of text.
#include "core/text/jinja/arguments.h"
#include "core/text/jinja/filters.h"
#include "core/text/jinja/format_spec.h"
#include "core/text/jinja/json_text.h"
#include "core/text/jinja/operators.h"
#include "core/text/jinja/printf_format.h"
#include "core/text/jinja/string_search.h"
#include "core/text/jinja/text_form.h"
#include "core/text/jinja/unicode_text.h"
#include "core/text/utf8.h"

#include <algorithm>

namespace lockstep::jinja {
namespace {

template <std::string (*kMap)(std::string_view)>
Value mapped(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "the filter", {}, 0);
  const std::string text = to_text(value, runtime.budget());
  runtime.budget().charge(4 * static_cast<int64_t>(text.size()) / kBytesPerStep);
  std::string mapped_text = kMap(text);
  runtime.budget().charge_bytes(mapped_text.size());
  return value.is_markup() ? Value::markup(std::move(mapped_text)) : Value(std::move(mapped_text));
}

/// The filter `title`: the first character of each word in upper case. It knows fewer word boundaries than str.title().
std::string title(std::string_view text) {
  std::string result;
  const auto separates = [](char32_t c) {
    return is_space(c) || (c < 0x80 && std::string_view("-({[<").find(static_cast<char>(c)) != std::string_view::npos);
  };
  while (!text.empty()) {
    std::size_t end = 0;
    while (end < text.size()) {
      std::size_t behind = end;
      if (separates(next_code_point(text, behind))) break;
      end = behind;
    }
    if (end > 0) {
      const std::size_t first = utf8_length(text[0]);
      result += to_upper(text.substr(0, first)) + to_lower(text.substr(first, end - first));
    }
    text.remove_prefix(end);
    while (!text.empty()) {
      std::size_t behind = 0;
      if (!separates(next_code_point(text, behind))) break;
      result += text.substr(0, behind);
      text.remove_prefix(behind);
    }
  }
  return result;
}

Value string(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "string", {}, 0);
  return value.is_string() ? value : Value(to_text(value, runtime.budget()));
}

Value escape(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "escape", {}, 0);
  if (value.is_markup()) return value;
  const std::string text = to_text(value, runtime.budget());
  std::string escaped = html_escaped(text);
  runtime.budget().charge_bytes(escaped.size());
  return Value::markup(std::move(escaped));
}

Value force_escape(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "forceescape", {}, 0);
  const std::string text = to_text(value, runtime.budget());
  std::string escaped = html_escaped(text);
  runtime.budget().charge_bytes(escaped.size());
  return Value::markup(std::move(escaped));
}

Value safe(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "safe", {}, 0);
  return Value::markup(to_text(value, runtime.budget()));
}

Value trim(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "trim", {"chars"}, 0);
  const std::string text = to_text(value, runtime.budget());
  charge_product(text, bound[0].text_or(""), runtime.budget());
  const std::string kept(bound[0].absent() ? stripped(text, Side::kBoth)
                                           : stripped(text, Side::kBoth, bound[0].text()));
  return value.is_markup() ? Value::markup(kept) : Value(kept);
}

Value replace(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "replace", {"old", "new", "count"}, 2);
  Budget& budget = runtime.budget();
  return Value(replaced(to_text(value, budget), to_text(bound[0].value(), budget), to_text(bound[1].value(), budget),
                        bound[2].integer_or(-1), budget));
}

Value indent(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "indent", {"width", "first", "blank"}, 0);
  require_defined(value);
  if (!value.is_string()) fail("indent takes a str, not a {}", type_name(value));
  const Value width = bound[0].value_or(Value(4));
  if (!width.is_string() && (!width.is_integral() || width.integer() > kMaxFormatWidth))
    fail("indent by {}; accepted: a str, or an int of at most {}", to_repr(width, runtime.budget()), kMaxFormatWidth);
  const std::string space = width.is_string()
                                ? width.text()
                                : std::string(static_cast<std::size_t>(std::max(int64_t{0}, width.integer())), ' ');
  const std::string text = value.text() + "\n";
  std::string result = bound[1].truth_or(false) ? space : "";
  bool is_first = true;
  for (const std::string_view line : split_lines(text)) {
    if (!is_first) result += '\n';
    if (!is_first && (!line.empty() || bound[2].truth_or(false))) result += space;
    is_first = false;
    result += line;
    runtime.budget().charge_bytes(space.size() + line.size());
    if (result.size() > kMaxOutputBytes) fail("a string of more than {} bytes", kMaxOutputBytes);
  }
  return Value(std::move(result));
}

Value word_count(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "wordcount", {}, 0);
  const std::string text = to_text(value, runtime.budget());
  runtime.budget().charge_bytes(text.size());
  int64_t words = 0;
  bool inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    const bool in_word = c == '_' || is_alphanumeric(c);
    if (in_word && !inside) ++words;
    inside = in_word;
  }
  return Value(words);
}

Value format(Runtime& runtime, const Value& value, Arguments arguments) {
  if (!arguments.positional.empty() && !arguments.named.empty())
    fail("format takes arguments by place or by name, not both");
  Value values = Value::tuple(std::move(arguments.positional));
  if (!arguments.named.empty()) {
    auto dict = std::make_shared<Dict>();
    for (auto& [name, given] : arguments.named) dict->set(Value(name), std::move(given));
    values = Value(std::shared_ptr<const Dict>(std::move(dict)));
  }
  return Value(printf_format(to_text(value, runtime.budget()), values, runtime.budget()));
}

Value truncate(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "truncate", {"length", "killwords", "end", "leeway"}, 0);
  require_defined(value);
  if (!value.is_string()) fail("truncate takes a str, not a {}", type_name(value));
  runtime.budget().charge_bytes(value.text().size());
  const std::string end = bound[2].text_or("...");
  const int64_t most = bound[0].integer_or(255), leeway = bound[3].integer_or(5), tail = count_code_points(end);
  if (most < tail || leeway < 0) fail("truncate to {} with an end of {} and a leeway of {}", most, tail, leeway);
  if (count_code_points(value.text()) <= most + leeway) return value;
  std::string_view text = code_points(value.text(), 0, most - tail);
  if (!bound[1].truth_or(false)) text = text.substr(0, text.rfind(' '));
  return Value(std::string(text) + end);
}

Value center(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "center", {"width"}, 0);
  const std::string text = to_text(value, runtime.budget());
  const int64_t width = bound[0].integer_or(80);
  if (width > kMaxFormatWidth) fail("a width above {}", kMaxFormatWidth);
  const int64_t missing = std::max(int64_t{0}, width - count_code_points(text));
  const int64_t left = missing / 2 + (missing & width & 1);  // where Python's str.center() puts the odd one
  return Value(std::string(static_cast<std::size_t>(left), ' ') + text +
               std::string(static_cast<std::size_t>(missing - left), ' '));
}

Value tojson(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "tojson", {"ensure_ascii", "indent", "separators", "sort_keys"}, 0);
  JsonStyle style;
  style.ensure_ascii = bound[0].truth_or(false);
  style.sort_keys = bound[3].truth_or(false);
  if (!bound[1].absent()) {
    const Value& given = bound[1].value();
    if (!given.is_string() && bound[1].integer() > 100) fail("tojson: an indent above 100");
    style.indent = given.is_string()
                       ? given.text()
                       : std::string(static_cast<std::size_t>(std::max(int64_t{0}, bound[1].integer())), ' ');
    style.item_separator = ",";
  }
  if (!bound[2].absent()) {
    const Value& both = bound[2].value();
    const bool is_pair = (both.is_sequence(SequenceKind::kTuple) || both.is_sequence(SequenceKind::kList)) &&
                         both.sequence().items.size() == 2 && both.sequence().items[0].is_string() &&
                         both.sequence().items[1].is_string();
    if (!is_pair) fail("tojson: separators are {}; two strings are expected", to_repr(both, runtime.budget()));
    style.item_separator = both.sequence().items[0].text();
    style.key_separator = both.sequence().items[1].text();
  }
  return Value(to_json(value, style, runtime.budget()));
}

constexpr Filter kTextFilters[] = {
    {"capitalize", mapped<capitalized>},
    {"center", center},
    {"e", escape},
    {"escape", escape},
    {"forceescape", force_escape},
    {"format", format},
    {"indent", indent},
    {"lower", mapped<to_lower>},
    {"replace", replace},
    {"safe", safe},
    {"string", string},
    {"title", mapped<title>},
    {"tojson", tojson},
    {"trim", trim},
    {"truncate", truncate},
    {"upper", mapped<to_upper>},
    {"wordcount", word_count},
};

}  // namespace

std::span<const Filter> text_filters() { return kTextFilters; }

}  // namespace lockstep::jinja
