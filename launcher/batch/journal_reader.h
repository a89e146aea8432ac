// Reads records of a journal file: front to back as they stand, or rows in input order. Part of journal.h.
#pragma once

#include "launcher/batch/file.h"
#include "launcher/batch/journal_format.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace lockstep {

class Journal;

/// Reads a file mostly forwards through one buffer, in large pieces where reading goes on and in small ones where it
/// jumps. Not thread-safe.
class ForwardReader {
 public:
  /// Sees the file as long as it is now.
  explicit ForwardReader(const File& file) : file_(file), file_bytes_(file.bytes()) {}
  /// Up to `count` bytes from `offset`, less at the end of the file. Valid until the next call.
  std::span<const std::byte> at(int64_t offset, size_t count);

 private:
  const File& file_;
  int64_t file_bytes_;
  std::vector<std::byte> buffer_;
  int64_t begin_ = 0;
  size_t piece_ = 0;
};

struct Record {
  RecordHead head;
  /// Valid until the reader's next call.
  std::string_view payload;
};

/// The record at `offset`, if one stands there whole and undamaged.
std::optional<Record> read_record(ForwardReader& reader, int64_t offset);

/// Calls `visit` for every row of a journal in which all rows are finished, in row order. Rows are taken some ten
/// thousands at a time and read in the order in which they stand: linear in time, whatever that order is; memory is
/// at most 64 MiB, or one row if that is more. The line is valid during the call.
/// Throws: IoError for a record that is damaged, naming row and offset.
void for_each_row_in_order(const Journal& journal,
                           const std::function<void(int64_t row, RowKind kind, std::string_view line)>& visit);

}  // namespace lockstep
