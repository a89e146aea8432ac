// What keeps one row from being answered: thrown while a row is read or prepared, caught there, and turned into the
// row's error line. The job goes on.
#pragma once

#include "core/error.h"

#include <string>
#include <string_view>

namespace lockstep {

class RowFault : public Error {
 public:
  /// `code` is one of the codes of docs/batch-files.md, a literal.
  RowFault(std::string_view code, const std::string& message) : Error({}, message), code_(code) {}
  std::string_view code() const noexcept { return code_; }

 private:
  std::string_view code_;
};

// The codes.
inline constexpr std::string_view kInvalidJson = "invalid_json";
inline constexpr std::string_view kLineTooLong = "line_too_long";
inline constexpr std::string_view kMissingField = "missing_field";
inline constexpr std::string_view kUnknownField = "unknown_field";
inline constexpr std::string_view kUnsupportedField = "unsupported_field";
inline constexpr std::string_view kUnsupportedUrl = "unsupported_url";
inline constexpr std::string_view kInvalidValue = "invalid_value";
inline constexpr std::string_view kDuplicateCustomId = "duplicate_custom_id";
inline constexpr std::string_view kChatTemplateMissing = "chat_template_missing";
inline constexpr std::string_view kChatTemplateError = "chat_template_error";
inline constexpr std::string_view kEmptyPrompt = "empty_prompt";
inline constexpr std::string_view kTokenOutOfRange = "token_out_of_range";
inline constexpr std::string_view kContextLengthExceeded = "context_length_exceeded";
inline constexpr std::string_view kLogitsNotFinite = "logits_not_finite";
inline constexpr std::string_view kResultTooLong = "result_too_long";

}  // namespace lockstep
