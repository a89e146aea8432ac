// The functions that every template can call: range, dict, namespace, raise_exception, strftime_now.
#pragma once

#include "core/text/jinja/object.h"
#include "core/text/jinja/runtime.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::jinja {

/// Keeps what values only borrow (value.h) until a rendering ends.
class Arena {
 public:
  /// Takes the object and gives a value that borrows it.
  Value keep(std::unique_ptr<Object> object);

 private:
  std::vector<std::unique_ptr<Object>> objects_;
};

/// nullopt if there is no function of this name. `arena` outlives the value.
std::optional<Value> find_global(std::string_view name, Arena& arena);
bool is_global(std::string_view name);
/// All names in alphabetic order, for messages.
std::string known_globals();

}  // namespace lockstep::jinja
