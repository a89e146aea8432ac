// brace_format() of format_spec.h.
#include "core/text/jinja/format_spec.h"
#include "core/text/jinja/operators.h"
#include "core/text/jinja/sequences.h"
#include "core/text/jinja/text_form.h"

#include <algorithm>

namespace lockstep::jinja {
namespace {

bool is_number(std::string_view text) {
  return !text.empty() && text.size() < 8 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

class BraceFormatter {
 public:
  BraceFormatter(const std::vector<Value>& positional, const std::vector<std::pair<std::string, Value>>& named,
                 Budget& budget)
      : positional_(positional), named_(named), budget_(budget) {}

  std::string run(std::string_view format, int depth) {
    if (depth > 2) fail("replacement fields nested deeper than 2");
    std::string text;
    for (std::size_t at = 0; at < format.size();) {
      const char c = format[at++];
      const bool is_doubled = at < format.size() && format[at] == c;
      if (c == '{' && !is_doubled) {
        const std::size_t close = closing_brace(format, at);
        text += field(format.substr(at, close - at), depth);
        at = close + 1;
      } else if (c == '}' && !is_doubled) {
        fail("a single '}}' in a format string");
      } else {
        text += c;
        if (c == '{' || c == '}') ++at;
      }
      if (text.size() > kMaxOutputBytes) fail("a text of more than {} bytes", kMaxOutputBytes);
    }
    budget_.charge_bytes(text.size());
    return text;
  }

 private:
  static std::size_t closing_brace(std::string_view format, std::size_t at) {
    for (int open = 1; at < format.size(); ++at) {
      if (format[at] == '{') ++open;
      if (format[at] == '}' && --open == 0) return at;
    }
    fail("a '{{' without '}}' in a format string");
  }

  std::string field(std::string_view text, int depth) {
    const std::size_t colon = std::min(text.find(':'), text.size());
    std::string_view name = text.substr(0, colon);
    char conversion = '\0';
    if (name.size() >= 2 && name[name.size() - 2] == '!') {
      conversion = name.back();
      name.remove_suffix(2);
    }
    Value value = lookup(name);
    if (conversion == 'r') value = Value(to_repr(value, budget_));
    if (conversion == 's') value = Value(to_text(value, budget_));
    if (conversion != '\0' && conversion != 'r' && conversion != 's') fail("unknown conversion !{}", conversion);
    const std::string spec = colon < text.size() ? run(text.substr(colon + 1), depth + 1) : "";
    if (!spec.empty() && !value.is_string() && !value.is_number()) fail("a {} takes no format spec", type_name(value));
    return spec.empty() ? to_text(value, budget_) : formatted(value, parse_format_spec(spec), budget_);
  }

  Value lookup(std::string_view name) {
    const std::size_t end = std::min(name.find_first_of(".["), name.size());
    Value value = argument(name.substr(0, end));
    name.remove_prefix(end);
    while (!name.empty()) {
      const bool is_key = name[0] == '[';
      const std::size_t stop = is_key ? name.find(']') : std::min(name.find_first_of(".[", 1), name.size());
      if (stop == std::string_view::npos) fail("a '[' without ']' in a format string");
      const std::string_view key = name.substr(1, stop - 1);
      const std::optional<Value> found =
          subscript(value, is_key && is_number(key) ? Value(std::stoi(std::string(key))) : Value(key), budget_);
      if (!found) fail("a {} has no element \"{}\"", type_name(value), key);
      value = *found;
      name.remove_prefix(is_key ? stop + 1 : stop);
    }
    return value;
  }

  Value argument(std::string_view name) {
    std::size_t index = next_;
    if (name.empty()) {
      ++next_;
    } else if (is_number(name)) {
      index = static_cast<std::size_t>(std::stoi(std::string(name)));
    } else {
      for (const auto& [key, value] : named_)
        if (key == name) return value;
      fail("the format has no argument \"{}\"", name);
    }
    if (index >= positional_.size()) fail("the format has no argument {}", index);
    return positional_[index];
  }

  const std::vector<Value>& positional_;
  const std::vector<std::pair<std::string, Value>>& named_;
  Budget& budget_;
  std::size_t next_ = 0;
};

}  // namespace

std::string brace_format(std::string_view format, const std::vector<Value>& positional,
                         const std::vector<std::pair<std::string, Value>>& named, Budget& budget) {
  return BraceFormatter(positional, named, budget).run(format, 0);
}

}  // namespace lockstep::jinja
