#include "launcher/batch/custom_id.h"

#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

namespace lockstep {
namespace {

constexpr std::string_view kKey = "custom_id";

/// Receives the parts of a JSON text from nlohmann's parser, which keeps no tree and does not recurse.
class IdReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::optional<std::string> id() const { return id_; }

  bool null() override {
    is_expected_ = false;  // counts as not given
    return depth_ > 0;
  }
  bool boolean(bool) override { return other(); }
  bool number_integer(number_integer_t) override { return other(); }
  bool number_unsigned(number_unsigned_t) override { return other(); }
  bool number_float(number_float_t, const string_t&) override { return other(); }
  bool binary(binary_t&) override { return other(); }
  bool string(string_t& value) override {
    if (!is_expected_) return other();
    is_expected_ = false;
    id_ = std::move(value);
    return !id_->empty();
  }
  bool key(string_t& name) override {
    if (depth_ != 1 || name != kKey) return true;
    is_expected_ = true;
    return !std::exchange(is_seen_, true);
  }
  bool start_object(size_t) override { return depth_++ == 0 || !is_expected_; }
  bool end_object() override { return --depth_, true; }
  bool start_array(size_t) override { return depth_++ > 0 && !is_expected_; }
  bool end_array() override { return --depth_, true; }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

 private:
  /// A value that is no id: fine anywhere but in the id's place, and inside the object only.
  bool other() const { return depth_ > 0 && !is_expected_; }

  int64_t depth_ = 0;
  bool is_expected_ = false, is_seen_ = false;
  std::optional<std::string> id_ = "";
};

/// Walks over JSON text, trusting it to be valid, and never past its end.
class Walker {
 public:
  explicit Walker(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  bool is_at(char wanted) const { return at_ != end_ && *at_ == wanted; }
  /// Skips blanks, then `wanted` if it stands there.
  bool take(char wanted) {
    skip_blanks();
    if (!is_at(wanted)) return false;
    ++at_;
    return true;
  }
  void skip_blanks() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\t' || *at_ == '\r')) ++at_;
  }
  /// The inside of the string that begins here, as written; nothing if it does not end.
  std::optional<std::string_view> take_string() {
    if (!take('"')) return std::nullopt;
    const char* const begin = at_;
    for (const char* from = begin;;) {
      const auto* const quote = static_cast<const char*>(std::memchr(from, '"', static_cast<size_t>(end_ - from)));
      if (quote == nullptr) return std::nullopt;
      const char* escape = quote;
      while (escape != from && escape[-1] == '\\') --escape;
      from = quote + 1;
      if ((quote - escape) % 2 == 1) continue;  // an escaped quote
      at_ = from;
      return std::string_view(begin, static_cast<size_t>(quote - begin));
    }
  }
  /// False if the text ends before the value does.
  bool skip_value() {
    skip_blanks();
    int64_t depth = 0;
    while (at_ != end_) {
      switch (*at_) {
        case '"':
          if (!take_string()) return false;
          if (depth == 0) return true;
          continue;
        case '{':
        case '[': ++depth; break;
        case ',':
          if (depth == 0) return true;
          break;
        case '}':
        case ']':
          if (depth == 0) return true;  // the end of what holds a number, true, false or null
          if (--depth == 0) return ++at_, true;
          break;
        default: break;
      }
      ++at_;
    }
    return false;
  }

 private:
  const char* at_;
  const char* const end_;
};

bool has_escapes(std::string_view text) { return text.find('\\') != text.npos; }

}  // namespace

std::optional<std::string> read_custom_id(std::string_view line) {
  IdReader reader;
  if (!nlohmann::json::sax_parse(line.begin(), line.end(), &reader)) return std::nullopt;
  return reader.id();
}

std::optional<std::string_view> scan_custom_id(std::string_view line, std::string& storage) {
  const auto read_whole = [&]() -> std::optional<std::string_view> {
    std::optional<std::string> id = read_custom_id(line);
    if (!id) return std::nullopt;
    storage = std::move(*id);
    return storage;
  };
  Walker at(line);
  if (!at.take('{')) return std::nullopt;
  do {
    at.skip_blanks();
    const auto key = at.take_string();
    if (!key) return "";  // "{}", or no JSON
    if (has_escapes(*key)) return read_whole();
    if (!at.take(':')) return std::nullopt;
    if (*key != kKey) continue;  // to the condition below
    at.skip_blanks();
    if (!at.is_at('"')) return "";  // null, or nothing valid
    const auto id = at.take_string();
    return id && has_escapes(*id) ? read_whole() : id;
  } while (at.skip_value() && at.take(','));
  return "";
}

std::string default_custom_id(int64_t line_number) { return "request-" + std::to_string(line_number); }

}  // namespace lockstep
