// A requests file (JSON Lines), checked as a whole when opened, then parsed row by row on demand.
//
// Memory: 8 bytes a row for the index (16 more for each run of blank lines); while opening, 24 more bytes a row to find
// equal custom_ids. Rows themselves are not kept. Thread-safety: all const members may be called concurrently.
#pragma once

#include "core/hash.h"
#include "launcher/batch/file.h"
#include "launcher/batch/request.h"
#include "launcher/batch/request_parser.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace lockstep {

class RequestFile {
 public:
  /// A caller's own check of a row (does the prompt fit the model?): "" if good, else what is wrong with it.
  using RowCheck = std::function<std::string(const Request&)>;

  /// Longest line accepted. Bounds the memory of reading a row.
  static constexpr int64_t kMaxLineBytes = int64_t{64} << 20;

  /// Reads the file once and checks every row, so that a bad row is known before anything is computed.
  /// Throws: IoError if it cannot be read or is no regular file; FormatError, ConfigError as parse_request, for an
  /// empty
  ///         file, a line that is too long, a custom_id that occurs twice, or what `check` found.
  explicit RequestFile(const std::filesystem::path& path, uint64_t job_seed = 0, const RowCheck& check = {});

  /// Number of rows; at least 1.
  int64_t size() const { return static_cast<int64_t>(offsets_.size()); }
  /// Hash of the file's bytes: equal files, equal digests.
  Hash128 digest() const { return digest_; }
  /// Parses row `row`. Throws IoError if the file changed since it was opened.
  Request read(int64_t row) const;
  /// The row's JSON text, without line end: what parse_request takes, for another rank to parse.
  std::string read_line(int64_t row) const;
  RowPosition position(int64_t row) const;

 private:
  void index_lines(const RowCheck& check);

  File file_;
  uint64_t job_seed_;
  File::Stamp stamp_;
  Hash128 digest_;
  std::vector<int64_t> offsets_;
  /// (first row after a run of blank lines, blank lines so far), ascending.
  std::vector<std::pair<int64_t, int64_t>> blanks_;
};

}  // namespace lockstep
