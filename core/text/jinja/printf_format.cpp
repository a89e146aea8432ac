#include "core/text/jinja/printf_format.h"

#include "core/text/jinja/format_spec.h"
#include "core/text/jinja/operators.h"
#include "core/text/jinja/text_form.h"
#include "core/text/utf8.h"

#include <cmath>

namespace lockstep::jinja {
namespace {

class Formatter {
 public:
  Formatter(std::string_view format, const Value& values, Budget& budget)
      : format_(format), values_(values), budget_(budget), is_tuple_(values.is_sequence(SequenceKind::kTuple)) {}

  std::string run() {
    std::string text;
    while (at_ < format_.size()) {
      const std::size_t mark = std::min(format_.find('%', at_), format_.size());
      text += format_.substr(at_, mark - at_);
      at_ = mark + 1;
      if (mark < format_.size()) text += field();
      if (text.size() > kMaxOutputBytes) fail("a text of more than {} bytes", kMaxOutputBytes);
    }
    const std::size_t available = is_tuple_ ? values_.sequence().items.size() : 1;
    const bool may_stay =
        values_.is_dict() || values_.is_sequence(SequenceKind::kList);  // Python takes both for mappings
    if (!used_key_ && used_ < available && !(may_stay && used_ == 0)) fail("not all values are used by the format");
    budget_.charge_bytes(text.size());
    return text;
  }

 private:
  char peek() const { return at_ < format_.size() ? format_[at_] : '\0'; }

  Value next_value() {
    if (!is_tuple_) {
      if (used_++ > 0) fail("not enough values for the format");
      return values_;
    }
    if (used_ >= values_.sequence().items.size()) fail("not enough values for the format");
    return values_.sequence().items[used_++];
  }

  int number_or_star() {
    if (peek() == '*') {
      ++at_;
      const Value given = next_value();
      if (!given.is_integral() || std::abs(given.integer()) > kMaxFormatWidth) fail("* takes an int");
      return static_cast<int>(given.integer());
    }
    int number = 0;
    while (peek() >= '0' && peek() <= '9') {
      number = number * 10 + (format_[at_++] - '0');
      if (number > kMaxFormatWidth) fail("a width above {}", kMaxFormatWidth);
    }
    return number;
  }

  std::string field() {
    FormatSpec spec;
    bool left = false, zero = false;
    std::optional<Value> keyed;
    if (peek() == '(') {
      const std::size_t close = format_.find(')', at_);
      if (close == std::string_view::npos) fail("%( without )");
      if (!values_.is_dict()) fail("%(name) takes a dict");
      const Value* found = values_.dict().find(format_.substr(at_ + 1, close - at_ - 1));
      if (!found) fail("the dict has no key \"{}\"", format_.substr(at_ + 1, close - at_ - 1));
      keyed = *found;
      used_key_ = true;
      at_ = close + 1;
    }
    for (;; ++at_) {
      if (peek() == '-')
        left = true;
      else if (peek() == '0')
        zero = true;
      else if (peek() == '#')
        spec.alternate = true;
      else if (peek() == '+')
        spec.sign = '+';
      else if (peek() != ' ')
        break;
      else if (spec.sign == '-')
        spec.sign = ' ';
    }
    spec.width = number_or_star();
    if (spec.width < 0) left = true, spec.width = -spec.width;
    if (peek() == '.') {
      ++at_;
      spec.precision = std::max(0, number_or_star());
    }
    const char type = peek();
    if (type == '\0') fail("a format that ends in %");
    ++at_;
    if (type == '%') return "%";
    spec.align = left ? '<' : '>';
    return convert(keyed ? *keyed : next_value(), spec, type, zero && !left);
  }

  std::string convert(Value value, FormatSpec spec, char type, bool zero) {
    if (type == 's' || type == 'r') {
      return formatted(Value(type == 's' ? to_text(value, budget_) : to_repr(value, budget_)), spec, budget_);
    }
    if (type == 'c') {
      if (value.is_integral() && value.integer() >= 0 && value.integer() < 0xD800) {
        std::string character;
        append_utf8(static_cast<char32_t>(value.integer()), character);
        value = Value(character);
      }
      spec.precision.reset();
      if (!value.is_string()) fail("%c takes a character");
      return formatted(value, spec, budget_);
    }
    require_defined(value);
    if (!value.is_number()) fail("%{} takes a number, not a {}", type, type_name(value));
    if (zero) spec.fill = "0", spec.align = '=';
    if (std::string_view("diuxXo").find(type) != std::string_view::npos) {
      const bool decimal = type == 'd' || type == 'i' || type == 'u';
      if (value.is_float() && (!decimal || !(std::abs(value.real()) < 9.2e18))) fail("%{} takes an int", type);
      if (spec.precision) fail("a precision is not supported for %{}", type);
      spec.type = decimal ? 'd' : type;
      return formatted(Value(value.is_float() ? static_cast<int64_t>(value.real()) : value.integer()), spec, budget_);
    }
    if (std::string_view("eEfFgG").find(type) == std::string_view::npos) fail("unknown format %{}", type);
    spec.type = type;
    return formatted(Value(value.real()), spec, budget_);
  }

  std::string_view format_;
  const Value& values_;
  Budget& budget_;
  bool is_tuple_;
  bool used_key_ = false;
  std::size_t at_ = 0;
  std::size_t used_ = 0;
};

}  // namespace

std::string printf_format(std::string_view format, const Value& values, Budget& budget) {
  return Formatter(format, values, budget).run();
}

}  // namespace lockstep::jinja
