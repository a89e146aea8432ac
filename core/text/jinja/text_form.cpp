#include "core/text/jinja/text_form.h"

#include "core/text/jinja/object.h"
#include "core/text/utf8.h"

#include <array>
#include <charconv>
#include <cmath>
#include <utf8proc.h>

namespace lockstep::jinja {
namespace {

bool is_printable(char32_t c) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return false;
    case UTF8PROC_CATEGORY_ZS: return c == ' ';
    default: return true;
  }
}

void append_escape(char32_t c, std::string& text) {
  if (c == '\n')
    text += "\\n";
  else if (c == '\r')
    text += "\\r";
  else if (c == '\t')
    text += "\\t";
  else if (c < 0x100)
    text += fmt::format("\\x{:02x}", static_cast<uint32_t>(c));
  else if (c < 0x10000)
    text += fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
  else
    text += fmt::format("\\U{:08x}", static_cast<uint32_t>(c));
}

void append_repr(const Value& value, std::string& text, Budget& budget);

void append_items(const std::vector<Value>& items, std::string& text, Budget& budget) {
  bool is_first = true;
  for (const Value& item : items) {
    if (!is_first) text += ", ";
    is_first = false;
    append_repr(item, text, budget);
  }
}

void append_sequence(const Sequence& sequence, std::string& text, Budget& budget) {
  const auto between = [&](std::string_view open, std::string_view close) {
    text += open;
    append_items(sequence.items, text, budget);
    text += close;
  };
  switch (sequence.kind) {
    case SequenceKind::kList: return between("[", "]");
    case SequenceKind::kTuple: return between("(", sequence.items.size() == 1 ? ",)" : ")");
    case SequenceKind::kKeys: return between("dict_keys([", "])");
    case SequenceKind::kValues: return between("dict_values([", "])");
    case SequenceKind::kItems: return between("dict_items([", "])");
    case SequenceKind::kRange: {
      const auto [start, stop, step] = sequence.range;
      text +=
          step == 1 ? fmt::format("range({}, {})", start, stop) : fmt::format("range({}, {}, {})", start, stop, step);
      return;
    }
    case SequenceKind::kGenerator: fail("a generator cannot be printed; `| list` or `| join` show what it gives");
  }
}

void append_dict(const Dict& dict, std::string& text, Budget& budget) {
  text += '{';
  bool is_first = true;
  for (const auto& [key, value] : dict.entries()) {
    if (!is_first) text += ", ";
    is_first = false;
    append_repr(key, text, budget);
    text += ": ";
    append_repr(value, text, budget);
  }
  text += '}';
}

void append_repr(const Value& value, std::string& text, Budget& budget) {
  budget.charge(value.is_string() ? value.weight() : 1);
  if (text.size() > kMaxOutputBytes) fail("a text of more than {} bytes", kMaxOutputBytes);
  if (value.is_string())
    text += quoted(value.text());
  else if (value.is_sequence())
    append_sequence(value.sequence(), text, budget);
  else if (value.is_dict())
    append_dict(value.dict(), text, budget);
  else if (value.is_undefined())
    text += "Undefined";
  else
    text += to_text(value, budget);
}

}  // namespace

std::string float_text(double real) {
  if (std::isnan(real)) return "nan";
  if (std::isinf(real)) return real < 0 ? "-inf" : "inf";
  std::array<char, 64> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), real, std::chars_format::scientific).ptr;
  std::string text(buffer.data(), end);  // [-]d[.ddd]e±dd, with the fewest digits
  const std::size_t mark = text.find('e');
  const int exponent = std::stoi(text.substr(mark + 1));
  if (exponent < -4 || exponent >= 16) return text;
  const bool is_negative = text[0] == '-';
  std::string digits = text.substr(is_negative ? 1 : 0, mark - (is_negative ? 1 : 0));
  if (digits.size() > 1) digits.erase(1, 1);
  if (exponent < 0) {
    digits.insert(0, static_cast<std::size_t>(-exponent), '0');
    digits.insert(1, ".");
  } else {
    const std::size_t point = static_cast<std::size_t>(exponent) + 1;
    if (digits.size() <= point) digits.append(point - digits.size() + 1, '0');
    digits.insert(point, ".");
  }
  return (is_negative ? "-" : "") + digits;
}

std::string quoted(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  std::string result(1, quote);
  for (std::size_t position = 0; position < text.size();) {
    const char32_t c = next_code_point(text, position);
    if (c == static_cast<char32_t>(quote) || c == '\\') {
      result += '\\';
      result += static_cast<char>(c);
    } else if (is_printable(c)) {
      append_utf8(c, result);
    } else {
      append_escape(c, result);
    }
  }
  return result + quote;
}

std::string to_text(const Value& value, Budget& budget) {
  if (value.is_string()) return value.text();
  if (value.is_undefined()) return "";
  if (value.is_none()) return "None";
  if (value.is_bool()) return value.boolean() ? "True" : "False";
  if (value.is_int()) return std::to_string(value.integer());
  if (value.is_float()) return float_text(value.real());
  if (value.is_object()) return value.object().text();
  std::string text;
  append_repr(value, text, budget);
  budget.charge_bytes(text.size());
  return text;
}

std::string to_repr(const Value& value, Budget& budget) {
  std::string text;
  append_repr(value, text, budget);
  return text;
}

}  // namespace lockstep::jinja
