#include "launcher/batch/journal_reader.h"

#include "core/error.h"
#include "launcher/batch/journal.h"

#include <algorithm>
#include <string>
#include <utility>

namespace lockstep {
namespace {

constexpr size_t kSmallestPiece = size_t{16} << 10, kLargestPiece = size_t{1} << 20;
constexpr int64_t kMaxWindowRows = 65536;
constexpr size_t kWindowBytes = size_t{32} << 20;

/// Consecutive rows, read in the order in which they stand in the journal.
class RowWindow {
 public:
  explicit RowWindow(const Journal& journal) : journal_(journal), reader_(journal.file()) {}

  /// Reads `count` rows from `first` on; false if they are more than a window's bytes, unless it is one row.
  bool fill(int64_t first, int64_t count) {
    first_ = first;
    order_.clear();
    for (int64_t row = first; row < first + count; ++row) order_.emplace_back(journal_.offset(row), row);
    std::sort(order_.begin(), order_.end());
    places_.resize(static_cast<size_t>(count));
    text_.clear();
    for (const auto& [offset, row] : order_) {
      const auto record = read_record(reader_, offset);
      LS_REQUIRE(IoError, record && record->head.row == row,
                 "{} is damaged: the record of row {} at byte {} changed; the same command computes this row and those "
                 "that stand behind it again",
                 journal_.file().path().string(), row, offset);
      if (count > 1 && text_.size() + record->payload.size() > kWindowBytes) return false;
      places_[static_cast<size_t>(row - first)] = {text_.size(), record->payload.size()};
      text_ += record->payload;
    }
    return true;
  }
  std::string_view line(int64_t row) const {
    const auto [begin, bytes] = places_[static_cast<size_t>(row - first_)];
    return std::string_view(text_).substr(begin, bytes);
  }
  size_t bytes() const { return text_.size(); }

 private:
  const Journal& journal_;
  ForwardReader reader_;
  int64_t first_ = 0;
  std::vector<std::pair<int64_t, int64_t>> order_;  // offset, row
  std::vector<std::pair<size_t, size_t>> places_;   // of each row's line in text_: begin, bytes
  std::string text_;
};

}  // namespace

std::span<const std::byte> ForwardReader::at(int64_t offset, size_t count) {
  // A damaged length must not ask for memory.
  count = static_cast<size_t>(std::clamp(file_bytes_ - offset, int64_t{0}, static_cast<int64_t>(count)));
  const int64_t end = begin_ + static_cast<int64_t>(buffer_.size());
  if (offset < begin_ || offset + static_cast<int64_t>(count) > end) {
    const bool goes_on = offset >= begin_ && offset <= end;
    piece_ = goes_on ? std::clamp(2 * piece_, kSmallestPiece, kLargestPiece) : kSmallestPiece;
    buffer_.resize(std::max(count, piece_));
    buffer_.resize(static_cast<size_t>(file_.read_some(buffer_, offset)));
    begin_ = offset;
  }
  const auto here = std::span(buffer_).subspan(static_cast<size_t>(offset - begin_));
  return here.first(std::min(count, here.size()));
}

std::optional<Record> read_record(ForwardReader& reader, int64_t offset) {
  constexpr auto kHead = static_cast<size_t>(kRecordHeadBytes);
  const auto head_bytes = reader.at(offset, kHead);
  if (head_bytes.size() < kHead) return std::nullopt;
  const RecordHead head = decode_record_head(head_bytes.first<kHead>());
  if (head.payload_bytes > kMaxPayloadBytes) return std::nullopt;
  const auto bytes = reader.at(offset + kRecordHeadBytes, head.payload_bytes);
  const std::string_view payload(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return is_record_valid(head, payload) ? std::optional(Record{head, payload}) : std::nullopt;
}

void for_each_row_in_order(const Journal& journal,
                           const std::function<void(int64_t row, RowKind kind, std::string_view line)>& visit) {
  RowWindow window(journal);
  int64_t count = kMaxWindowRows;
  for (int64_t first = 0; first < journal.num_rows();) {
    const int64_t now = std::min(count, journal.num_rows() - first);
    if (!window.fill(first, now)) {
      count = (now + 1) / 2;
      continue;
    }
    for (int64_t row = first; row < first + now; ++row) visit(row, journal.kind(row), window.line(row));
    first += now;
    if (window.bytes() < kWindowBytes / 4) count = std::min(2 * count, kMaxWindowRows);
  }
}

}  // namespace lockstep
