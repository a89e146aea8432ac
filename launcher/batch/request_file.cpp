#include "launcher/batch/request_file.h"

#include "core/error.h"

#include <algorithm>
#include <cstring>
#include <fcntl.h>

namespace lockstep {
namespace {

constexpr int64_t kChunkBytes = int64_t{1} << 20;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r") == line.npos; }

/// A line without the carriage return of a CRLF ending.
std::string_view without_cr(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

/// Calls visit(line without '\n', offset of its first byte) for each line; returns the digest of the whole file.
template <class Visitor>
Hash128 for_each_line(const File& file, const Visitor& visit) {
  std::vector<char> chunk(static_cast<size_t>(kChunkBytes));
  std::string partial;  // the beginning of a line that the chunk before did not end
  int64_t line_number = 1;
  const auto require_short = [&](size_t bytes) {
    LS_REQUIRE(FormatError, static_cast<int64_t>(bytes) <= RequestFile::kMaxLineBytes,
               "{}:{}: line is longer than {} bytes", file.path().string(), line_number, RequestFile::kMaxLineBytes);
  };
  Hash128 digest;
  int64_t offset = 0;
  for (;;) {
    const auto got = static_cast<size_t>(file.read_some(std::as_writable_bytes(std::span(chunk)), offset));
    if (got == 0) break;
    std::string_view rest(chunk.data(), got);
    digest = hash128(rest, digest);
    int64_t line_begin = offset - static_cast<int64_t>(partial.size());
    for (size_t end; (end = rest.find('\n')) != rest.npos; rest.remove_prefix(end + 1), ++line_number) {
      partial.append(rest.substr(0, end));
      require_short(partial.size());
      visit(std::string_view(partial), line_begin);
      line_begin += static_cast<int64_t>(partial.size()) + 1;
      partial.clear();
    }
    partial.append(rest);
    require_short(partial.size());
    offset += static_cast<int64_t>(got);
  }
  if (!partial.empty()) visit(std::string_view(partial), offset - static_cast<int64_t>(partial.size()));
  return digest;
}

File open_regular(const std::filesystem::path& path) {
  LS_REQUIRE(IoError, !std::filesystem::exists(path) || std::filesystem::is_regular_file(path),
             "cannot read {}: not a regular file (a job reads its rows more than once)", path.string());
  return File(path, O_RDONLY);
}

}  // namespace

RequestFile::RequestFile(const std::filesystem::path& path, uint64_t job_seed, const RowCheck& check)
    : file_(open_regular(path)), job_seed_(job_seed), stamp_(file_.stamp()) {
  index_lines(check);
  LS_REQUIRE(FormatError, !offsets_.empty(), "no requests in {}", path.string());
}

void RequestFile::index_lines(const RowCheck& check) {
  struct NamedRow {
    Hash128 id;
    int64_t row;
  };
  std::vector<NamedRow> names;
  digest_ = for_each_line(file_, [&](std::string_view line, int64_t begin) {
    if (begin == 0 && line.starts_with(kByteOrderMark)) {
      line.remove_prefix(kByteOrderMark.size());
      begin += static_cast<int64_t>(kByteOrderMark.size());
    }
    const int64_t row = size();
    if (is_blank(line)) {
      if (blanks_.empty())
        blanks_.emplace_back(row, 1);
      else if (blanks_.back().first == row)
        ++blanks_.back().second;
      else
        blanks_.emplace_back(row, blanks_.back().second + 1);
      return;
    }
    offsets_.push_back(begin);
    const Request request = parse_request(without_cr(line), position(row), job_seed_);
    names.push_back({hash128(request.custom_id), row});
    if (!check) return;
    const std::string complaint = check(request);
    if (!complaint.empty()) LS_THROW(ConfigError, "{}:{}: {}", position(row).file, position(row).line, complaint);
  });

  std::sort(names.begin(), names.end(),
            [](const NamedRow& a, const NamedRow& b) { return a.id != b.id ? a.id < b.id : a.row < b.row; });
  const auto twice =
      std::adjacent_find(names.begin(), names.end(), [](const NamedRow& a, const NamedRow& b) { return a.id == b.id; });
  if (twice != names.end())
    LS_THROW(ConfigError, "{}: custom_id \"{}\" occurs on lines {} and {}; each row needs its own",
             file_.path().string(), read(twice->row).custom_id, position(twice->row).line,
             position((twice + 1)->row).line);
}

RowPosition RequestFile::position(int64_t row) const {
  const auto after = std::upper_bound(blanks_.begin(), blanks_.end(), row,
                                      [](int64_t wanted, const auto& blank) { return wanted < blank.first; });
  const int64_t blank_lines = after == blanks_.begin() ? 0 : std::prev(after)->second;
  return {file_.path().string(), row + 1 + blank_lines, row};
}

std::string RequestFile::read_line(int64_t row) const {
  LS_CHECK(row >= 0 && row < size(), "row {} of {} requests", row, size());
  LS_REQUIRE(IoError, file_.stamp() == stamp_, "{} changed while the job ran: results would not belong to its rows",
             file_.path().string());
  std::string line;
  for (size_t step = 4096;; step *= 2) {
    const size_t known = line.size();
    line.resize(known + step);
    const int64_t got = file_.read_some(std::as_writable_bytes(std::span(line).subspan(known)),
                                        offsets_[static_cast<size_t>(row)] + static_cast<int64_t>(known));
    line.resize(known + static_cast<size_t>(got));
    const size_t end = line.find('\n', known);
    if (end != line.npos) line.resize(end);
    if (end != line.npos || got < static_cast<int64_t>(step)) break;
  }
  line.resize(without_cr(line).size());
  return line;
}

Request RequestFile::read(int64_t row) const { return parse_request(read_line(row), position(row), job_seed_); }

}  // namespace lockstep
