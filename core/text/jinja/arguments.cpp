#include "core/text/jinja/arguments.h"

#include "core/text/jinja/operators.h"

#include <algorithm>

namespace lockstep::jinja {

const Value& Argument::value() const {
  if (!value_) fail("argument \"{}\" is missing", name_);
  return *value_;
}

const std::string& Argument::text() const {
  require_defined(value());
  if (!value_->is_string()) fail("argument \"{}\" is a {}; a str is expected", name_, type_name(*value_));
  return value_->text();
}

int64_t Argument::integer() const {
  require_defined(value());
  if (!value_->is_integral()) fail("argument \"{}\" is a {}; an int is expected", name_, type_name(*value_));
  return value_->integer();
}

bool Argument::truth_or(bool fallback) const { return value_ ? lockstep::jinja::truth(*value_) : fallback; }

Bound::Bound(Arguments arguments, std::string_view function, std::initializer_list<const char*> parameters,
             int required)
    : arguments_(std::move(arguments)), values_(parameters.size()), names_(parameters.begin(), parameters.end()) {
  if (arguments_.positional.size() > names_.size())
    fail("{} takes at most {} arguments, not {}", function, names_.size(), arguments_.positional.size());
  for (std::size_t i = 0; i < arguments_.positional.size(); ++i) values_[i] = &arguments_.positional[i];
  for (const auto& [name, value] : arguments_.named) {
    const auto place = std::find(names_.begin(), names_.end(), name);
    if (place == names_.end()) fail("{} has no parameter \"{}\"; it has: {}", function, name, fmt::join(names_, ", "));
    const Value*& bound = values_[static_cast<std::size_t>(place - names_.begin())];
    if (bound) fail("{} is given \"{}\" twice", function, name);
    bound = &value;
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(required); ++i)
    if (!values_[i]) fail("{} needs an argument \"{}\"", function, names_[i]);
}

}  // namespace lockstep::jinja
