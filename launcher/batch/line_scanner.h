// Walks over the lines of a file of any size with bounded memory. Part of row_index.h.
#pragma once

#include "core/hash.h"
#include "launcher/batch/file.h"

#include <cstdint>
#include <functional>
#include <string_view>

namespace lockstep {

struct ScannedLine {
  /// Without line feed, carriage return and byte order mark; empty if the line is longer than the limit.
  std::string_view text;
  /// Of the first byte of text in the file.
  int64_t offset = 0;
  /// Of text, or of what text would be.
  int64_t bytes = 0;
  /// Nothing but blanks and tabs.
  bool is_blank = false;
};

/// Calls `visit` for each line in order; text is valid during the call. Lines of more than `max_bytes` are walked over
/// without being held. Returns a hash of all bytes of the file, which is read once. Throws: IoError.
Hash128 for_each_line(const File& file, int64_t max_bytes, const std::function<void(const ScannedLine&)>& visit);

}  // namespace lockstep
