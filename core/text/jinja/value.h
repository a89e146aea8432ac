// Values of a template's expressions: what Python's None, bool, int, float, str, list, tuple, dict and callables are.
//
// Everything but a namespace is immutable, so copies share. A namespace and a macro may be reached from what they hold;
// such objects are owned by the interpreter and only borrowed here, so nothing leaks. Nesting is bounded
// (kMaxValueDepth), hence recursion over a value is safe.
#pragma once

#include "core/text/jinja/limits.h"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace lockstep::jinja {

class Value;
class Object;
class Dict;
struct Sequence;

/// jinja2.Undefined: prints as nothing; `message` is what any other use of it raises.
struct Undefined {
  std::shared_ptr<const std::string> message;
};
struct None {};

enum class SequenceKind : uint8_t { kList, kTuple, kRange, kKeys, kValues, kItems, kGenerator };

class Value {
 public:
  Value() : data_(None{}) {}
  Value(bool value) : data_(value) {}
  Value(int64_t value) : data_(value) {}
  Value(int value) : data_(int64_t{value}) {}
  Value(double value) : data_(value) {}
  Value(std::string text) : data_(std::make_shared<const std::string>(std::move(text))) {}
  Value(std::string_view text) : Value(std::string(text)) {}
  Value(const char* text) : Value(std::string(text)) {}
  Value(std::shared_ptr<const Sequence> sequence) : data_(std::move(sequence)) {}
  Value(std::shared_ptr<const Dict> dict) : data_(std::move(dict)) {}
  Value(std::shared_ptr<Object> object) : data_(std::move(object)) {}

  static Value undefined(std::string message) {
    return Value(Undefined{std::make_shared<const std::string>(std::move(message))});
  }
  static Value markup(std::string text) {
    Value made(std::move(text));
    made.is_markup_ = true;
    return made;
  }
  static Value list(std::vector<Value> items) { return sequence(SequenceKind::kList, std::move(items)); }
  static Value tuple(std::vector<Value> items) { return sequence(SequenceKind::kTuple, std::move(items)); }
  /// An iterator: it has no length and gives each item once.
  static Value generator(std::vector<Value> items) { return sequence(SequenceKind::kGenerator, std::move(items)); }
  static Value sequence(SequenceKind kind, std::vector<Value> items);

  bool is_undefined() const { return std::holds_alternative<Undefined>(data_); }
  bool is_none() const { return std::holds_alternative<None>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_int() const { return std::holds_alternative<int64_t>(data_); }  // a bool is none
  bool is_integral() const { return is_int() || is_bool(); }              // what Python's int subsumes
  bool is_float() const { return std::holds_alternative<double>(data_); }
  bool is_number() const { return is_integral() || is_float(); }
  bool is_string() const { return std::holds_alternative<std::shared_ptr<const std::string>>(data_); }
  bool is_sequence() const { return std::holds_alternative<std::shared_ptr<const Sequence>>(data_); }
  /// True for text that `safe` or `escape` gave: adding other text to it escapes that.
  bool is_markup() const { return is_markup_; }
  bool is_sequence(SequenceKind kind) const;
  bool is_dict() const { return std::holds_alternative<std::shared_ptr<const Dict>>(data_); }
  bool is_object() const { return std::holds_alternative<std::shared_ptr<Object>>(data_); }

  // Each requires that kind, but integer() takes a bool and real() any number.
  const std::string& undefined_message() const { return *std::get<Undefined>(data_).message; }
  bool boolean() const { return std::get<bool>(data_); }
  int64_t integer() const { return is_bool() ? (boolean() ? 1 : 0) : std::get<int64_t>(data_); }
  double real() const { return is_float() ? std::get<double>(data_) : static_cast<double>(integer()); }
  const std::string& text() const { return *std::get<std::shared_ptr<const std::string>>(data_); }
  const Sequence& sequence() const { return *std::get<std::shared_ptr<const Sequence>>(data_); }
  const Dict& dict() const { return *std::get<std::shared_ptr<const Dict>>(data_); }
  Object& object() const { return *std::get<std::shared_ptr<Object>>(data_); }

  /// Nesting of lists and dicts: 0 for what holds nothing.
  int depth() const;
  /// Steps that a walk over the whole value takes, at most kMaxWeight. Parts may be shared, so it can exceed memory.
  int64_t weight() const;
  /// True if both are the same object, or equal scalars of one type.
  bool is_same(const Value& other) const;

 private:
  explicit Value(Undefined undefined) : data_(std::move(undefined)) {}

  std::variant<None, Undefined, bool, int64_t, double, std::shared_ptr<const std::string>,
               std::shared_ptr<const Sequence>, std::shared_ptr<const Dict>, std::shared_ptr<Object>>
      data_;
  bool is_markup_ = false;
};

/// A list, a tuple, or what Python makes of ranges, views of dicts and generators.
struct Sequence {
  SequenceKind kind = SequenceKind::kList;
  std::vector<Value> items;
  int depth = 1;
  int64_t weight = 1;
  std::array<int64_t, 3> range{};    // of a range: start, stop, step
  mutable std::size_t consumed = 0;  // of a generator: items already taken
};

struct ValueHash {
  std::size_t operator()(const Value& value) const;
};
struct ValueEqual {
  bool operator()(const Value& a, const Value& b) const;
};

/// A dict: keys in order of insertion.
class Dict {
 public:
  const std::vector<std::pair<Value, Value>>& entries() const { return entries_; }
  std::size_t size() const { return entries_.size(); }
  int depth() const { return depth_; }
  int64_t weight() const { return weight_; }
  /// Null if absent. Throws Fault if `key` cannot be one.
  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
  /// Inserts, or replaces the value and keeps the place.
  void set(Value key, Value value);

 private:
  std::vector<std::pair<Value, Value>> entries_;
  std::unordered_map<Value, std::size_t, ValueHash, ValueEqual> index_;
  int depth_ = 1;
  int64_t weight_ = 1;
};

/// "str", "list", … for messages.
std::string_view type_name(const Value& value);

}  // namespace lockstep::jinja
