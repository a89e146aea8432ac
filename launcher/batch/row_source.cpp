#include "launcher/batch/row_source.h"

#include "core/log.h"
#include "launcher/batch/custom_id.h"
#include "launcher/batch/row_fault.h"

#include <utility>
#include <variant>

namespace lockstep {
namespace {

// Rows that a leader claims at a time: neighbours often share a prefix, and a cache is one replica's.
constexpr int64_t kRowsPerClaim = 4;
// Rows without an answer take microseconds each.
constexpr int64_t kRowsBetweenLooks = 256;

}  // namespace

RowSource::RowSource(const RowIndex& rows, WorkCounter& counter, const std::vector<std::byte>& finished,
                     ParseOptions options, std::function<void(const RowError&)> fail, std::function<bool()> goes_on)
    : rows_(rows),
      counter_(counter),
      finished_(finished),
      options_(std::move(options)),
      fail_(std::move(fail)),
      goes_on_(std::move(goes_on)) {}

std::optional<Request> RowSource::next() {
  for (int64_t looked = 1;; ++looked) {
    if (looked % kRowsBetweenLooks == 0 && !goes_on_()) return std::nullopt;
    if (next_row_ == claimed_end_) {
      next_row_ = counter_.fetch_add(kRowsPerClaim);
      claimed_end_ = next_row_ + kRowsPerClaim;
    }
    if (next_row_ >= rows_.size()) return std::nullopt;
    const int64_t row = next_row_++;
    if (finished_[static_cast<size_t>(row)] != std::byte{0}) continue;
    std::variant<Request, RowError> parsed = read(row);
    if (const RowError* error = std::get_if<RowError>(&parsed)) {
      fail_(*error);
      continue;
    }
    Request& request = std::get<Request>(parsed);
    warn_of_ignored(request);
    return std::move(request);
  }
}

std::variant<Request, RowError> RowSource::read(int64_t row) const {
  const int64_t line = rows_.line_number(row);
  if (rows_.is_too_long(row))
    return RowError{row, default_custom_id(line), std::string(kLineTooLong),
                    fmt::format("line {}: longer than {} bytes", line, RowIndex::kMaxLineBytes)};
  std::variant<Request, RowError> parsed = parse_request(rows_.read_line(row), {line, row}, options_);
  const std::optional<int64_t> first = rows_.first_with_same_id(row);
  if (!first || std::holds_alternative<RowError>(parsed)) return parsed;
  const std::string& custom_id = std::get<Request>(parsed).custom_id;
  return RowError{row, custom_id, std::string(kDuplicateCustomId),
                  fmt::format("line {}: custom_id \"{}\" is that of line {} already; each row needs its own", line,
                              custom_id, rows_.line_number(*first))};
}

void RowSource::warn_of_ignored(const Request& request) {
  for (const std::string& field : request.ignored_fields) {
    if (warned_fields_.insert(field).second)
      log_warn("field \"{}\" is not supported and passed over (first in row \"{}\")", field, request.custom_id);
  }
}

}  // namespace lockstep
