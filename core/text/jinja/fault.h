// What goes wrong inside a template, before the template's name is known. Template turns it into ChatTemplateError.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <stdexcept>
#include <string>

namespace lockstep::jinja {

/// A fault of a template or of its input. `line` 0: the line being interpreted.
struct Fault : std::runtime_error {
  explicit Fault(const std::string& message, int fault_line = 0) : std::runtime_error(message), line(fault_line) {}
  int line;
};

template <typename... Arguments>
[[noreturn]] void fail(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  throw Fault(fmt::format(format, std::forward<Arguments>(arguments)...));
}

template <typename... Arguments>
[[noreturn]] void fail_at(int line, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  throw Fault(fmt::format(format, std::forward<Arguments>(arguments)...), line);
}

}  // namespace lockstep::jinja
