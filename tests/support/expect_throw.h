// Checks the kind of an exception and that its message names what a user needs.
#pragma once

#include "core/error.h"

#include <gtest/gtest.h>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::testing_support {

/// Expects that `action()` throws `ErrorType` and that its message contains each of `parts`.
template <class ErrorType, class Action>
void expect_throw(const Action& action, const std::vector<std::string_view>& parts) {
  try {
    action();
  } catch (const ErrorType& error) {
    const std::string message = error.what();
    for (const std::string_view part : parts)
      EXPECT_NE(message.find(part), std::string::npos) << "\"" << part << "\" is not in: " << message;
    return;
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another kind of exception: " << error.what();
    return;
  }
  ADD_FAILURE() << "nothing was thrown; expected a message with \"" << (parts.empty() ? "" : parts.front()) << "\"";
}

}  // namespace lockstep::testing_support
