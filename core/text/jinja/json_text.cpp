#include "core/text/jinja/json_text.h"

#include "core/text/jinja/operators.h"
#include "core/text/jinja/text_form.h"
#include "core/text/utf8.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace lockstep::jinja {
namespace {

Value convert(const nlohmann::ordered_json& json, Budget& budget, int depth) {
  if (depth > kMaxValueDepth) fail("JSON nested deeper than {}", kMaxValueDepth);
  const auto valid = [&](const std::string& text) {
    budget.charge_bytes(text.size());
    return Value(replace_invalid_utf8(text).value_or(text));
  };
  switch (json.type()) {
    case nlohmann::ordered_json::value_t::null: return Value();
    case nlohmann::ordered_json::value_t::boolean: return Value(json.get<bool>());
    case nlohmann::ordered_json::value_t::number_integer: return Value(json.get<int64_t>());
    case nlohmann::ordered_json::value_t::number_unsigned:
      if (json.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
        fail("{} in the input: integers are accepted up to {}", json.get<uint64_t>(),
             std::numeric_limits<int64_t>::max());
      return Value(json.get<int64_t>());
    case nlohmann::ordered_json::value_t::number_float: return Value(json.get<double>());
    case nlohmann::ordered_json::value_t::string: return valid(json.get_ref<const std::string&>());
    case nlohmann::ordered_json::value_t::array: {
      std::vector<Value> items;
      for (const auto& item : json) items.push_back(convert(item, budget, depth + 1));
      budget.charge(static_cast<int64_t>(items.size()));
      return Value::list(std::move(items));
    }
    case nlohmann::ordered_json::value_t::object: {
      auto dict = std::make_shared<Dict>();
      for (const auto& [key, item] : json.items()) dict->set(valid(key), convert(item, budget, depth + 1));
      return Value(std::shared_ptr<const Dict>(std::move(dict)));
    }
    default: fail("the input holds {}, which is no JSON value", json.type_name());
  }
}

class Writer {
 public:
  Writer(const JsonStyle& style, Budget& budget) : style_(style), budget_(budget) {}

  void write(const Value& value, int level) {
    budget_.charge(value.is_string() ? value.weight() : 1);
    if (text_.size() > kMaxOutputBytes) fail("JSON of more than {} bytes", kMaxOutputBytes);
    if (value.is_string())
      write_string(value.text());
    else if (value.is_dict())
      write_dict(value.dict(), level);
    else if (value.is_sequence(SequenceKind::kList) || value.is_sequence(SequenceKind::kTuple))
      write_list(value.sequence().items, level);
    else
      text_ += scalar(value);
  }

  std::string take() { return std::move(text_); }

 private:
  static std::string scalar(const Value& value) {
    if (value.is_none()) return "null";
    if (value.is_bool()) return value.boolean() ? "true" : "false";
    if (value.is_int()) return std::to_string(value.integer());
    if (!value.is_float()) fail("a {} cannot be written as JSON", type_name(value));
    const double real = value.real();
    if (std::isnan(real)) return "NaN";
    if (std::isinf(real)) return real < 0 ? "-Infinity" : "Infinity";
    return float_text(real);
  }

  void write_string(std::string_view string) {
    text_ += '"';
    for (std::size_t position = 0; position < string.size();) {
      const char32_t c = next_code_point(string, position);
      const std::size_t escape = std::u32string_view(U"\"\\\n\r\t\b\f").find(c);
      if (escape != std::u32string_view::npos) {
        text_ += '\\';
        text_ += "\"\\nrtbf"[escape];
      } else if (c < 0x20 || (style_.ensure_ascii && c > 0x7E)) {
        write_escape(c);
      } else {
        append_utf8(c, text_);
      }
    }
    text_ += '"';
  }

  void write_escape(char32_t c) {
    const auto unit = [&](uint32_t code) { text_ += fmt::format("\\u{:04x}", code); };
    if (c < 0x10000) return unit(c);
    unit(0xD800 + ((c - 0x10000) >> 10));
    unit(0xDC00 + ((c - 0x10000) & 0x3FF));
  }

  void break_line(int level) {
    if (!style_.indent) return;
    budget_.charge_bytes(style_.indent->size() * static_cast<std::size_t>(level));
    text_ += '\n';
    for (int i = 0; i < level; ++i) text_ += *style_.indent;
  }

  void write_list(const std::vector<Value>& items, int level) {
    if (items.empty()) return void(text_ += "[]");
    text_ += '[';
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) text_ += style_.item_separator;
      break_line(level + 1);
      write(items[i], level + 1);
    }
    break_line(level);
    text_ += ']';
  }

  void write_dict(const Dict& dict, int level) {
    if (dict.size() == 0) return void(text_ += "{}");
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& entry : dict.entries()) entries.push_back(&entry);
    if (style_.sort_keys)
      std::stable_sort(entries.begin(), entries.end(),
                       [](const auto* a, const auto* b) { return compare(a->first, b->first) < 0; });
    text_ += '{';
    bool is_first = true;
    for (const auto* entry : entries) {
      if (!is_first) text_ += style_.item_separator;
      is_first = false;
      break_line(level + 1);
      const Value& key = entry->first;
      budget_.charge(key.weight());
      if (key.is_sequence()) fail("a {} cannot be a key of JSON", type_name(key));
      write_string(key.is_string() ? key.text() : scalar(key));
      text_ += style_.key_separator;
      write(entry->second, level + 1);
    }
    break_line(level);
    text_ += '}';
  }

  const JsonStyle& style_;
  Budget& budget_;
  std::string text_;
};

}  // namespace

Value from_json(const nlohmann::ordered_json& json, Budget& budget) { return convert(json, budget, 0); }

std::string to_json(const Value& value, const JsonStyle& style, Budget& budget) {
  Writer writer(style, budget);
  writer.write(value, 0);
  return writer.take();
}

}  // namespace lockstep::jinja
