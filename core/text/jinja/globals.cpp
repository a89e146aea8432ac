#include "core/text/jinja/globals.h"

#include "core/text/jinja/arguments.h"
#include "core/text/jinja/operators.h"
#include "core/text/jinja/sequences.h"
#include "core/text/jinja/text_form.h"

#include <algorithm>
#include <array>
#include <ctime>

namespace lockstep::jinja {
namespace {

constexpr std::string_view kNames[] = {"dict", "namespace", "raise_exception", "range", "strftime_now"};

Value range(Runtime& runtime, const Value&, Arguments arguments) {
  const Bound bound(std::move(arguments), "range()", {"start", "stop", "step"}, 1);
  const bool has_start = bound[1].given();
  return make_range(has_start ? bound[0].integer() : 0, bound[has_start ? 1 : 0].integer(), bound[2].integer_or(1),
                    runtime.budget());
}

/// What dict(…) holds: the entries of a dict or pairs, then the named arguments.
std::vector<std::pair<Value, Value>> entries(Runtime& runtime, Arguments arguments) {
  if (arguments.positional.size() > 1) fail("dict() and namespace() take one argument without a name");
  std::vector<std::pair<Value, Value>> result;
  for (const Value& given : arguments.positional) {
    if (given.is_dict()) {
      result = given.dict().entries();
      break;
    }
    for (const Value& item : iterate(given, runtime.budget())) {
      std::vector<Value> pair = iterate(item, runtime.budget());
      if (pair.size() != 2) fail("dict() takes pairs, not {} items", pair.size());
      result.emplace_back(std::move(pair[0]), std::move(pair[1]));
    }
  }
  for (auto& [name, value] : arguments.named) result.emplace_back(Value(name), std::move(value));
  runtime.budget().charge(4 * static_cast<int64_t>(result.size()));
  return result;
}

Value make_dict(Runtime& runtime, const Value&, Arguments arguments) {
  auto dict = std::make_shared<Dict>();
  for (auto& [key, value] : entries(runtime, std::move(arguments))) {
    runtime.budget().charge(key.weight());
    dict->set(std::move(key), std::move(value));
  }
  return Value(std::shared_ptr<const Dict>(std::move(dict)));
}

Value raise_exception(Runtime& runtime, const Value&, Arguments arguments) {
  const Bound bound(std::move(arguments), "raise_exception()", {"message"}, 1);
  throw Fault(to_text(bound[0].value(), runtime.budget()));
}

/// Python's datetime.now().strftime(): local time without a zone, so %z and %Z are empty; %f are microseconds.
Value strftime_now(Runtime& runtime, const Value&, Arguments arguments) {
  const Bound bound(std::move(arguments), "strftime_now()", {"format"}, 1);
  const auto now = runtime.now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm local{};
  localtime_r(&seconds, &local);
  const auto since = now - std::chrono::system_clock::from_time_t(seconds);
  const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(since).count();
  const std::string& format = bound[0].text();
  std::string text;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      text += format[i];
      continue;
    }
    const char field = format[++i];
    if (field == 'f') text += fmt::format("{:06}", microseconds);
    if (field == 'f' || field == 'z' || field == 'Z') continue;
    std::array<char, 256> buffer{};
    const std::string one = {'%', field};
    text.append(buffer.data(), std::strftime(buffer.data(), buffer.size(), one.c_str(), &local));
    if (text.size() > kMaxOutputBytes) fail("a time of more than {} bytes", kMaxOutputBytes);
  }
  runtime.budget().charge_bytes(4 * format.size());
  return Value(std::move(text));
}

/// namespace(…), which needs the arena for what it makes.
class NamespaceMaker : public Object {
 public:
  explicit NamespaceMaker(Arena& arena) : arena_(arena) {}
  std::string_view type() const override { return "function"; }
  bool is_callable() const override { return true; }
  Value call(Runtime& runtime, Arguments arguments) override {
    auto made = std::make_unique<Namespace>();
    for (auto& [key, value] : entries(runtime, std::move(arguments))) {
      if (!key.is_string()) fail("an attribute of a namespace is named by a str, not a {}", type_name(key));
      made->set(key.text(), std::move(value));
    }
    runtime.budget().charge(16);
    return arena_.keep(std::move(made));
  }

 private:
  Arena& arena_;
};

}  // namespace

Value Arena::keep(std::unique_ptr<Object> object) {
  Object* borrowed = object.get();
  objects_.push_back(std::move(object));
  return Value(std::shared_ptr<Object>(std::shared_ptr<void>(), borrowed));
}

std::optional<Value> find_global(std::string_view name, Arena& arena) {
  const auto function = [](Function::Body body) {
    return Value(std::shared_ptr<Object>(std::make_shared<Function>(body)));
  };
  if (name == "range") return function(range);
  if (name == "dict") return function(make_dict);
  if (name == "raise_exception") return function(raise_exception);
  if (name == "strftime_now") return function(strftime_now);
  if (name == "namespace") return Value(std::shared_ptr<Object>(std::make_shared<NamespaceMaker>(arena)));
  return std::nullopt;
}

bool is_global(std::string_view name) {
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

std::string known_globals() { return fmt::format("{}", fmt::join(kNames, ", ")); }

}  // namespace lockstep::jinja
