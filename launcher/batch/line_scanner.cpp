#include "launcher/batch/line_scanner.h"

#include <span>
#include <string>
#include <vector>

namespace lockstep {
namespace {

// Also the piece that the digest is chained over: changing it changes every digest.
constexpr int64_t kChunkBytes = int64_t{1} << 20;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r") == text.npos; }

/// A line that began in an earlier chunk: its text, or only its size and kind once it is too long.
class OpenLine {
 public:
  explicit OpenLine(int64_t max_bytes) : max_bytes_(max_bytes) {}

  bool is_empty() const { return bytes_ == 0; }
  void append(std::string_view piece) {
    bytes_ += static_cast<int64_t>(piece.size());
    is_blank_ = is_blank_ && is_blank(piece);
    if (!piece.empty()) ends_in_cr_ = piece.ends_with('\r');
    const size_t room = static_cast<size_t>(max_bytes_) - text_.size();
    text_.append(piece.substr(0, room));
  }
  ScannedLine line(int64_t offset) const {
    const int64_t bytes = bytes_ - (ends_in_cr_ ? 1 : 0);
    const std::string_view text = std::string_view(text_).substr(0, static_cast<size_t>(bytes));
    return {bytes > max_bytes_ ? std::string_view() : text, offset, bytes, is_blank_};
  }
  void clear() {
    bytes_ = 0;
    is_blank_ = true;
    ends_in_cr_ = false;
    text_.clear();
  }

 private:
  int64_t max_bytes_;
  int64_t bytes_ = 0;
  bool is_blank_ = true, ends_in_cr_ = false;
  std::string text_;
};

ScannedLine scan(std::string_view text, int64_t offset, int64_t max_bytes) {
  if (text.ends_with('\r')) text.remove_suffix(1);
  const auto bytes = static_cast<int64_t>(text.size());
  return {bytes > max_bytes ? std::string_view() : text, offset, bytes, is_blank(text)};
}

}  // namespace

Hash128 for_each_line(const File& file, int64_t max_bytes, const std::function<void(const ScannedLine&)>& visit) {
  std::vector<char> chunk(static_cast<size_t>(kChunkBytes));
  OpenLine open(max_bytes);
  int64_t open_begin = 0;
  Hash128 digest;
  for (int64_t chunk_begin = 0;;) {
    const int64_t got = file.read_some(std::as_writable_bytes(std::span(chunk)), chunk_begin);
    if (got == 0) break;
    std::string_view rest(chunk.data(), static_cast<size_t>(got));
    digest = hash128(rest, digest);
    int64_t at = chunk_begin;
    if (at == 0 && rest.starts_with(kByteOrderMark)) {
      rest.remove_prefix(kByteOrderMark.size());
      at += static_cast<int64_t>(kByteOrderMark.size());
    }
    for (size_t end; (end = rest.find('\n')) != rest.npos; rest.remove_prefix(end + 1)) {
      if (open.is_empty()) {
        visit(scan(rest.substr(0, end), at, max_bytes));
      } else {
        open.append(rest.substr(0, end));
        visit(open.line(open_begin));
        open.clear();
      }
      at += static_cast<int64_t>(end) + 1;
    }
    if (open.is_empty()) open_begin = at;
    open.append(rest);
    chunk_begin += got;
  }
  if (!open.is_empty()) visit(open.line(open_begin));
  return digest;
}

}  // namespace lockstep
