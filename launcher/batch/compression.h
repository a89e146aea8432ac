// Streams of bytes that pack or unpack gzip and zstd, a piece at a time: memory does not grow with the data.
//
// What decides the form is the name's suffix, or the first bytes where there is no name that says it. Packed bytes are
// a function of the content alone: no time stamp, no file name in a header. Sources: RFC 1952, RFC 8878.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace lockstep {

enum class Compression { kNone, kGzip, kZstd };

/// By the suffix: ".gz", ".zst"; any other name is kNone.
Compression compression_of_name(const std::filesystem::path& path);
/// By the first bytes of a file; kMagicBytes of them suffice. Neither form begins as JSON, blanks or a BOM do.
Compression compression_of_magic(std::span<const std::byte> head);
inline constexpr size_t kMagicBytes = 4;

/// Receives the bytes that a stream makes; they are valid during the call.
using ByteSink = std::function<void(std::span<const std::byte>)>;

/// Takes bytes, gives what becomes of them to its sink. Not thread-safe.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  virtual void push(std::span<const std::byte> bytes) = 0;
  /// No more bytes follow; gives the last ones to the sink. Call once.
  virtual void finish() = 0;
};

/// A stream from packed to plain bytes; kNone copies. Members (gzip) and frames (zstd) may follow each other.
/// push and finish throw FormatError naming `name`, for data that is damaged, of another form, or cut off.
std::unique_ptr<ByteStream> make_unpacker(Compression form, std::string name, ByteSink sink);
/// A stream from plain to packed bytes; kNone copies. Both forms carry a checksum of the content.
std::unique_ptr<ByteStream> make_packer(Compression form, ByteSink sink);

}  // namespace lockstep
