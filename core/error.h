// Exceptions of the project: one base class, one subclass per kind of fault.
//
// Faults are exceptions; expected outcomes (a full cache, the end of a file) are values. Only launcher/main.cpp
// catches: it prints `what()` for a user's mistake and `describe()` for anything else, with the rank, and ends every
// rank.
#pragma once

#include <cstdint>
#include <fmt/format.h>
#include <stdexcept>
#include <string>
#include <string_view>

namespace lockstep {

/// Where a check failed: source file and line, and the expression that was false ("" for an unconditional throw).
struct ErrorSite {
  const char* file = "";
  int line = 0;
  const char* expression = "";
};

class Error : public std::runtime_error {
 public:
  Error(ErrorSite site, const std::string& message) : std::runtime_error(message), site_(site) {}

  const ErrorSite& site() const noexcept { return site_; }
  /// Message, source file and line, and failed expression: for faults of the program rather than of its input.
  std::string describe() const;

 private:
  ErrorSite site_;
};

/// Tensor shapes that do not fit the operation.
struct ShapeError : Error {
  using Error::Error;
};
/// An element type that the operation does not take.
struct DTypeError : Error {
  using Error::Error;
};
/// A setting, option or request field that is unknown, malformed or out of range.
struct ConfigError : Error {
  using Error::Error;
};
/// A file whose content breaks its format.
struct FormatError : Error {
  using Error::Error;
};
/// A chat template that is malformed, uses what the interpreter does not know, or refuses its conversation.
struct ChatTemplateError : Error {
  using Error::Error;
};
/// The operating system refused to open, read, write or map.
struct IoError : Error {
  using Error::Error;
};
/// A backend that this build does not contain.
struct NotCompiled : Error {
  using Error::Error;
};
/// A collective that cannot complete: a peer failed, or ranks called different operations.
struct CommError : Error {
  using Error::Error;
};
struct MpiError : CommError {
  using CommError::CommError;
};
struct NcclError : CommError {
  using CommError::CommError;
};
struct CudaError : Error {
  using Error::Error;
};

/// Memory of a device or host pool is exhausted.
struct OutOfMemory : Error {
  OutOfMemory(ErrorSite site, int64_t bytes, const std::string& message) : Error(site, message), bytes_(bytes) {}
  int64_t bytes() const noexcept { return bytes_; }

 private:
  int64_t bytes_;
};

/// True for kinds that a user's input or environment causes (ConfigError, FormatError, ChatTemplateError, IoError,
/// NotCompiled, OutOfMemory).
bool is_user_error(const Error& error) noexcept;

}  // namespace lockstep

// Throws `type` with a formatted message.
#define LS_THROW(type, ...) throw type(::lockstep::ErrorSite{__FILE__, __LINE__, ""}, fmt::format(__VA_ARGS__))

// Throws `type` with a formatted message unless `condition` holds.
#define LS_REQUIRE(type, condition, ...)                                                           \
  do {                                                                                             \
    if (!(condition)) [[unlikely]]                                                                 \
      throw type(::lockstep::ErrorSite{__FILE__, __LINE__, #condition}, fmt::format(__VA_ARGS__)); \
  } while (false)

// An invariant of the program itself: a failure is a bug of ours.
#define LS_CHECK(condition, ...) LS_REQUIRE(::lockstep::Error, condition, __VA_ARGS__)
