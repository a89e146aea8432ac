// Where the rows of a requests file (JSON Lines) stand, found in one pass that parses none of them: a bad row is its
// reader's business. Lines end in LF or CRLF; a byte order mark may come first; blank lines are no rows, but count.
//
// Memory: 8 bytes a row, and 16 for each run of blank lines, each row whose id is taken and each line that is too long;
// 16 bytes a row more while the index is made. Thread-safety: all const members may be called concurrently.
#pragma once

#include "core/hash.h"
#include "launcher/batch/block_vector.h"
#include "launcher/batch/duplicate_finder.h"
#include "launcher/batch/file.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace lockstep {

class RowIndex {
 public:
  /// Longest line that is read. Bounds the memory of reading a row.
  static constexpr int64_t kMaxLineBytes = int64_t{64} << 20;

  /// Reads `file`, a plain regular one (input_source.h), once. `name` stands for it in messages; "" is its path.
  /// Throws: IoError if it cannot be read, is no regular file, or changes meanwhile; FormatError if it has no rows.
  explicit RowIndex(const std::filesystem::path& file, std::string name = "");

  /// Number of rows; at least 1.
  int64_t size() const { return static_cast<int64_t>(offsets_.size()); }
  /// Hash of the file's bytes: equal files, equal digests.
  Hash128 digest() const { return digest_; }
  const std::string& name() const { return name_; }

  /// The row's text, without line end and byte order mark.
  /// Throws: IoError if the file changed since it was indexed; FormatError if is_too_long(row).
  std::string read_line(int64_t row) const;
  /// From 1; blank lines count.
  int64_t line_number(int64_t row) const;
  /// More than kMaxLineBytes.
  bool is_too_long(int64_t row) const { return long_line_bytes(row).has_value(); }
  /// Of the row's text. Reads the row unless it is too long.
  int64_t line_bytes(int64_t row) const;
  /// The first row with the same custom_id, if that is an earlier row. A row without one has the id that
  /// default_custom_id gives it; a row that is not one JSON object, or too long, has none.
  std::optional<int64_t> first_with_same_id(int64_t row) const;

  /// What the index holds.
  int64_t memory_bytes() const;

 private:
  void index_lines();
  std::optional<std::string> read_id(int64_t row) const;
  std::optional<int64_t> long_line_bytes(int64_t row) const;
  void require_row(int64_t row) const;
  void require_unchanged() const;

  File file_;
  std::string name_;
  File::Stamp stamp_;
  Hash128 digest_;
  BlockVector<int64_t> offsets_;
  /// (first row after a run of blank lines, blank lines so far), ascending.
  std::vector<std::pair<int64_t, int64_t>> blanks_;
  /// (row, bytes) of lines that are too long, ascending.
  std::vector<std::pair<int64_t, int64_t>> long_lines_;
  std::vector<DuplicateFinder::Duplicate> duplicates_;
};

}  // namespace lockstep
