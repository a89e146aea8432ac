#include "core/error.h"

namespace lockstep {

std::string Error::describe() const {
  std::string text = what();
  if (site_.expression[0] != '\0') text += fmt::format(" [{} is false]", site_.expression);
  return text + fmt::format(" ({}:{})", site_.file, site_.line);
}

bool is_user_error(const Error& error) noexcept {
  return dynamic_cast<const ConfigError*>(&error) || dynamic_cast<const FormatError*>(&error) ||
         dynamic_cast<const ChatTemplateError*>(&error) || dynamic_cast<const IoError*>(&error) ||
         dynamic_cast<const NotCompiled*>(&error) || dynamic_cast<const OutOfMemory*>(&error);
}

}  // namespace lockstep
