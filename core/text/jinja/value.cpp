#include "core/text/jinja/value.h"

#include "core/text/jinja/object.h"
#include "core/text/jinja/operators.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace lockstep::jinja {
namespace {

int checked_depth(int depth) {
  if (depth > kMaxValueDepth) fail("values nested deeper than {}", kMaxValueDepth);
  return depth;
}

// Spread, so that multiples of a table's size do not meet in one of its buckets.
std::size_t hash_integer(int64_t integer) {
  const uint64_t spread = static_cast<uint64_t>(integer) * 0x9E3779B97F4A7C15u;
  return static_cast<std::size_t>(spread ^ (spread >> 32));
}

std::size_t combine(std::size_t seed, std::size_t hash) { return seed * 1'000'003 + hash; }

}  // namespace

Value Value::sequence(SequenceKind kind, std::vector<Value> items) {
  auto made = std::make_shared<Sequence>();
  int deepest = 0;
  for (const Value& item : items) {
    deepest = std::max(deepest, item.depth());
    made->weight = std::min(kMaxWeight, made->weight + item.weight());
  }
  made->kind = kind;
  made->depth = checked_depth(deepest + 1);
  made->items = std::move(items);
  return Value(std::shared_ptr<const Sequence>(std::move(made)));
}

bool Value::is_sequence(SequenceKind kind) const { return is_sequence() && sequence().kind == kind; }

int Value::depth() const {
  if (is_sequence()) return sequence().depth;
  if (is_dict()) return dict().depth();
  return is_object() ? object().depth() : 0;
}

int64_t Value::weight() const {
  if (is_sequence()) return sequence().weight;
  if (is_dict()) return dict().weight();
  return is_string() ? 1 + static_cast<int64_t>(text().size()) / kBytesPerStep : 1;
}

bool Value::is_same(const Value& other) const {
  if (data_.index() != other.data_.index()) return false;
  if (is_object()) return &object() == &other.object();
  if (is_sequence()) return &sequence() == &other.sequence();
  if (is_dict()) return &dict() == &other.dict();
  if (is_undefined()) return &undefined_message() == &other.undefined_message();
  return equal(*this, other);
}

std::size_t ValueHash::operator()(const Value& value) const {
  if (value.is_string()) return std::hash<std::string>()(value.text());
  if (value.is_integral()) return hash_integer(value.integer());
  if (value.is_float()) {  // equal numbers have equal hashes, whatever their type
    const double real = value.real();
    if (real == std::floor(real) && std::abs(real) < 9e18) return hash_integer(static_cast<int64_t>(real));
    return std::hash<double>()(real);
  }
  if (value.is_none()) return 1;
  if (value.is_undefined()) return 2;
  if (value.is_object()) return std::hash<const void*>()(&value.object());
  if (value.is_sequence(SequenceKind::kTuple)) {
    if (value.weight() > kMaxKeyWeight) fail("a tuple of this size cannot be a key of a dict");
    std::size_t seed = 3;
    for (const Value& item : value.sequence().items) seed = combine(seed, (*this)(item));
    return seed;
  }
  fail("a {} cannot be a key of a dict: it is not hashable", type_name(value));
}

bool ValueEqual::operator()(const Value& a, const Value& b) const { return equal(a, b); }

const Value* Dict::find(const Value& key) const {
  const auto found = index_.find(key);
  return found == index_.end() ? nullptr : &entries_[found->second].second;
}

const Value* Dict::find(std::string_view key) const { return find(Value(key)); }

void Dict::set(Value key, Value value) {
  depth_ = std::max(depth_, checked_depth(std::max(key.depth(), value.depth()) + 1));
  weight_ = std::min(kMaxWeight, weight_ + key.weight() + value.weight());
  const auto [place, is_new] = index_.try_emplace(key, entries_.size());
  if (is_new)
    entries_.emplace_back(std::move(key), std::move(value));
  else
    entries_[place->second].second = std::move(value);
}

std::string_view type_name(const Value& value) {
  if (value.is_none()) return "NoneType";
  if (value.is_undefined()) return "Undefined";
  if (value.is_bool()) return "bool";
  if (value.is_int()) return "int";
  if (value.is_float()) return "float";
  if (value.is_string()) return "str";
  if (value.is_dict()) return "dict";
  if (value.is_object()) return value.object().type();
  switch (value.sequence().kind) {
    case SequenceKind::kList: return "list";
    case SequenceKind::kTuple: return "tuple";
    case SequenceKind::kRange: return "range";
    case SequenceKind::kKeys: return "dict_keys";
    case SequenceKind::kValues: return "dict_values";
    case SequenceKind::kItems: return "dict_items";
    case SequenceKind::kGenerator: return "generator";
  }
  return "?";
}

}  // namespace lockstep::jinja
