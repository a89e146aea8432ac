#include "launcher/batch/row_index.h"

#include "core/error.h"
#include "launcher/batch/custom_id.h"
#include "launcher/batch/line_scanner.h"

#include <algorithm>
#include <fcntl.h>
#include <span>

namespace lockstep {
namespace {

constexpr size_t kFirstReadBytes = 4096;

File open_regular(const std::filesystem::path& path, const std::string& name) {
  // Without O_NONBLOCK a pipe without a writer would be waited for.
  File file(path, O_RDONLY | O_NONBLOCK);
  LS_REQUIRE(IoError, file.is_regular(), "cannot read {}: not a regular file", name);
  return file;
}

/// The entry of `row` in (row, value) pairs ascending by row, or the end.
auto entry_of(const std::vector<std::pair<int64_t, int64_t>>& entries, int64_t row) {
  const auto found = std::lower_bound(entries.begin(), entries.end(), std::pair(row, INT64_MIN));
  return found != entries.end() && found->first == row ? found : entries.end();
}

template <class Element>
int64_t bytes_of(const std::vector<Element>& vector) {
  return static_cast<int64_t>(vector.capacity() * sizeof(Element));
}

}  // namespace

RowIndex::RowIndex(const std::filesystem::path& file, std::string name)
    : file_(open_regular(file, name.empty() ? file.string() : name)),
      name_(name.empty() ? file.string() : std::move(name)),
      stamp_(file_.stamp()) {
  index_lines();
  require_unchanged();
  LS_REQUIRE(FormatError, size() > 0, "no requests in {}", name_);
}

void RowIndex::index_lines() {
  DuplicateFinder finder;
  std::string storage;
  int64_t num_lines = 0;
  digest_ = for_each_line(file_, kMaxLineBytes, [&](const ScannedLine& line) {
    ++num_lines;
    const int64_t row = size();
    if (line.is_blank) {
      const int64_t num_blank = num_lines - row;
      if (blanks_.empty() || blanks_.back().first != row) blanks_.emplace_back(row, num_blank);
      blanks_.back().second = num_blank;
      return;
    }
    offsets_.push_back(line.offset);
    if (line.bytes > kMaxLineBytes) {
      long_lines_.emplace_back(row, line.bytes);
      return finder.add(std::nullopt);
    }
    std::optional<std::string_view> id = scan_custom_id(line.text, storage);
    if (id && id->empty()) id = storage = default_custom_id(num_lines);
    finder.add(id);
  });
  duplicates_ = finder.find([&](int64_t row) { return read_id(row); });
}

std::optional<std::string> RowIndex::read_id(int64_t row) const {
  std::optional<std::string> id = read_custom_id(read_line(row));
  return id && id->empty() ? default_custom_id(line_number(row)) : id;
}

std::string RowIndex::read_line(int64_t row) const {
  require_row(row);
  require_unchanged();
  if (const auto bytes = long_line_bytes(row))
    LS_THROW(FormatError, "{}:{}: line of {} bytes is too long; at most {}", name_, line_number(row), *bytes,
             kMaxLineBytes);
  const int64_t begin = offsets_[static_cast<size_t>(row)];
  const int64_t limit = row + 1 < size() ? offsets_[static_cast<size_t>(row) + 1] : stamp_.bytes;
  std::string line;
  for (size_t end = line.npos; end == line.npos;) {
    const size_t known = line.size();
    const size_t room = static_cast<size_t>(limit - begin) - known;
    if (room == 0) break;  // a last line without line end
    line.resize(known + std::min(room, std::max(known, kFirstReadBytes)));
    file_.read(std::as_writable_bytes(std::span(line).subspan(known)), begin + static_cast<int64_t>(known));
    end = line.find('\n', known);
    if (end != line.npos) line.resize(end);
  }
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

int64_t RowIndex::line_number(int64_t row) const {
  require_row(row);
  const auto after = std::upper_bound(blanks_.begin(), blanks_.end(), row,
                                      [](int64_t wanted, const auto& blank) { return wanted < blank.first; });
  return row + 1 + (after == blanks_.begin() ? 0 : std::prev(after)->second);
}

int64_t RowIndex::line_bytes(int64_t row) const {
  const auto bytes = long_line_bytes(row);
  return bytes ? *bytes : static_cast<int64_t>(read_line(row).size());
}

std::optional<int64_t> RowIndex::long_line_bytes(int64_t row) const {
  require_row(row);
  const auto found = entry_of(long_lines_, row);
  return found == long_lines_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<int64_t> RowIndex::first_with_same_id(int64_t row) const {
  require_row(row);
  const auto found = std::lower_bound(duplicates_.begin(), duplicates_.end(), row,
                                      [](const auto& duplicate, int64_t wanted) { return duplicate.row < wanted; });
  return found != duplicates_.end() && found->row == row ? std::optional(found->first) : std::nullopt;
}

int64_t RowIndex::memory_bytes() const {
  return offsets_.memory_bytes() + bytes_of(blanks_) + bytes_of(long_lines_) + bytes_of(duplicates_);
}

void RowIndex::require_row(int64_t row) const {
  LS_CHECK(row >= 0 && row < size(), "row {} of {} requests", row, size());
}

void RowIndex::require_unchanged() const {
  LS_REQUIRE(IoError, file_.stamp() == stamp_, "{} changed while the job ran: results would not belong to its rows",
             name_);
}

}  // namespace lockstep
