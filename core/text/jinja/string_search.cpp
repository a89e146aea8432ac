#include "core/text/jinja/string_search.h"

#include "core/text/jinja/unicode_text.h"
#include "core/text/utf8.h"

#include <algorithm>
#include <cstring>

namespace lockstep::jinja {
namespace {

/// `with` before every character and at the end: what replacing nothing means.
std::string interleaved(std::string_view text, std::string_view with, int64_t count, Budget& budget) {
  std::string result;
  budget.charge_bytes(text.size());
  const auto put = [&] {
    if (count == 0) return;
    --count;
    budget.charge_bytes(with.size());
    result += with;
    if (result.size() > kMaxOutputBytes) fail("a string of more than {} bytes", kMaxOutputBytes);
  };
  for (const std::string_view character : CodePoints(text)) {
    put();
    result += character;
  }
  put();
  return result;
}

std::size_t word_end(std::string_view text) {
  std::size_t end = 0;
  while (end < text.size()) {
    std::size_t behind = end;
    if (is_space(next_code_point(text, behind))) break;
    end = behind;
  }
  return end;
}

std::size_t last_word_begin(std::string_view text) {
  std::size_t begin = text.size();
  while (begin > 0) {
    std::size_t before = begin - 1;
    while ((static_cast<unsigned char>(text[before]) & 0xC0) == 0x80) --before;
    std::size_t position = before;
    if (is_space(next_code_point(text, position))) break;
    begin = before;
  }
  return begin;
}

}  // namespace

std::string html_escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&': result += "&amp;"; break;
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      case '\'': result += "&#39;"; break;
      case '"': result += "&#34;"; break;
      default: result += c;
    }
  }
  return result;
}

std::size_t find_text(std::string_view text, std::string_view wanted) {
  if (wanted.empty()) return 0;
  const void* found = memmem(text.data(), text.size(), wanted.data(), wanted.size());
  return found ? static_cast<std::size_t>(static_cast<const char*>(found) - text.data()) : std::string_view::npos;
}

void charge_product(std::string_view text, std::string_view wanted, Budget& budget) {
  const auto units = [](std::string_view part) { return 1 + static_cast<int64_t>(part.size()) / kBytesPerStep; };
  budget.charge(units(text) * units(wanted));  // both below 2^21
}

std::string replaced(std::string_view text, std::string_view old, std::string_view with, int64_t count,
                     Budget& budget) {
  if (old.empty()) return interleaved(text, with, count, budget);
  budget.charge_bytes(text.size());
  std::string result;
  std::size_t at = 0;
  while (count != 0) {
    const std::size_t ahead = find_text(text.substr(at), old);
    if (ahead == std::string_view::npos) break;
    const std::size_t found = at + ahead;
    result += text.substr(at, found - at);
    result += with;
    budget.charge_bytes(with.size());
    if (result.size() > kMaxOutputBytes) fail("a string of more than {} bytes", kMaxOutputBytes);
    at = found + old.size();
    --count;
  }
  result += text.substr(at);
  return result;
}

std::vector<std::string_view> split(std::string_view text, std::string_view separator, int64_t limit) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t found = limit == 0 ? std::string_view::npos : find_text(text, separator);
    parts.push_back(text.substr(0, found));
    if (found == std::string_view::npos) return parts;
    text.remove_prefix(found + separator.size());
    --limit;
  }
}

std::vector<std::string_view> split_from_right(std::string_view text, std::string_view separator, int64_t limit) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t found = limit == 0 ? std::string_view::npos : text.rfind(separator);
    if (found == std::string_view::npos) break;
    parts.push_back(text.substr(found + separator.size()));
    text = text.substr(0, found);
    --limit;
  }
  parts.push_back(text);
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string_view> split_at_space(std::string_view text, int64_t limit) {
  std::vector<std::string_view> parts;
  for (text = stripped(text, Side::kLeft); !text.empty(); text = stripped(text, Side::kLeft)) {
    if (limit-- == 0) {
      parts.push_back(text);
      break;
    }
    const std::size_t end = word_end(text);
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return parts;
}

std::vector<std::string_view> split_at_space_from_right(std::string_view text, int64_t limit) {
  std::vector<std::string_view> parts;
  for (text = stripped(text, Side::kRight); !text.empty(); text = stripped(text, Side::kRight)) {
    if (limit-- == 0) {
      parts.push_back(text);
      break;
    }
    const std::size_t begin = last_word_begin(text);
    parts.push_back(text.substr(begin));
    text = text.substr(0, begin);
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

}  // namespace lockstep::jinja
