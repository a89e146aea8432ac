// The rows that one leader answers: claimed from the counter that all leaders share, read, and parsed.
#pragma once

#include "dist/work_counter.h"
#include "launcher/batch/request.h"
#include "launcher/batch/request_parser.h"
#include "launcher/batch/row_index.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace lockstep {

/// Refers to what it is made from. Not thread-safe.
class RowSource {
 public:
  /// `finished`: one byte a row, not 0 for rows that need no answer. `fail` gets the rows that cannot be parsed.
  /// `goes_on` is asked now and then while many of these follow each other; false ends the rows.
  RowSource(const RowIndex& rows, WorkCounter& counter, const std::vector<std::byte>& finished, ParseOptions options,
            std::function<void(const RowError&)> fail, std::function<bool()> goes_on);

  /// The next row of this leader that can be answered; nothing when there is none left.
  std::optional<Request> next();

 private:
  std::variant<Request, RowError> read(int64_t row) const;
  void warn_of_ignored(const Request& request);

  const RowIndex& rows_;
  WorkCounter& counter_;
  const std::vector<std::byte>& finished_;
  ParseOptions options_;
  std::function<void(const RowError&)> fail_;
  std::function<bool()> goes_on_;
  int64_t next_row_ = 0, claimed_end_ = 0;
  std::set<std::string> warned_fields_;
};

}  // namespace lockstep
