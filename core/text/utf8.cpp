#include "core/text/utf8.h"

#include <cstdint>
#include <cstring>

namespace lockstep {
namespace {

enum class Sequence : uint8_t { kValid, kInvalid, kUnfinished };

struct Scan {
  Sequence kind;
  std::size_t length;  // bytes of the code point, or of the maximal subpart
};

uint8_t byte_at(std::string_view bytes, std::size_t index) { return static_cast<uint8_t>(bytes[index]); }

/// The sequence that starts at `begin`.
Scan scan(std::string_view bytes, std::size_t begin) {
  const uint8_t lead = byte_at(bytes, begin);
  if (lead < 0x80) return {Sequence::kValid, 1};
  if (lead < 0xC2 || lead > 0xF4) return {Sequence::kInvalid, 1};
  const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  // The second byte's range excludes overlong forms (E0, F0), surrogates (ED) and what lies beyond U+10FFFF (F4).
  uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (std::size_t i = 1; i < length; ++i) {
    if (begin + i == bytes.size()) return {Sequence::kUnfinished, i};
    const uint8_t byte = byte_at(bytes, begin + i);
    if (byte < low || byte > high) return {Sequence::kInvalid, i};
    low = 0x80, high = 0xBF;
  }
  return {Sequence::kValid, length};
}

/// End of the longest valid prefix of `bytes` from `begin`, eight ASCII bytes at a time where it can.
std::size_t skip_valid(std::string_view bytes, std::size_t begin) {
  constexpr uint64_t kHighBits = 0x8080808080808080;
  while (begin < bytes.size()) {
    uint64_t eight;
    if (bytes.size() - begin >= sizeof eight) {
      std::memcpy(&eight, bytes.data() + begin, sizeof eight);
      if ((eight & kHighBits) == 0) {
        begin += sizeof eight;
        continue;
      }
    }
    const Scan next = scan(bytes, begin);
    if (next.kind != Sequence::kValid) break;
    begin += next.length;
  }
  return begin;
}

}  // namespace

void append_utf8(char32_t c, std::string& text) {
  const auto put = [&](char32_t byte) { text.push_back(static_cast<char>(static_cast<uint8_t>(byte))); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

std::size_t utf8_length(char lead) {
  const auto byte = static_cast<uint8_t>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

char32_t next_code_point(std::string_view text, std::size_t& position) {
  const uint8_t lead = byte_at(text, position);
  const std::size_t length = utf8_length(text[position]);
  char32_t c = length == 1 ? lead : lead & (0x7Fu >> length);
  for (std::size_t i = 1; i < length; ++i) c = c << 6 | (byte_at(text, position + i) & 0x3Fu);
  position += length;
  return c;
}

bool is_valid_utf8(std::string_view bytes) { return skip_valid(bytes, 0) == bytes.size(); }

std::optional<std::string> replace_invalid_utf8(std::string_view bytes) {
  if (is_valid_utf8(bytes)) return std::nullopt;
  std::string text;
  LossyUtf8 decoder;
  decoder.push(bytes, text);
  decoder.finish(text);
  return text;
}

bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

void LossyUtf8::push(std::string_view bytes, std::string& text) {
  std::string joined;
  if (!unfinished_.empty()) {
    joined = std::move(unfinished_);
    joined += bytes;
    bytes = joined;
    unfinished_.clear();
  }
  for (std::size_t begin = 0; begin < bytes.size();) {
    const std::size_t end = skip_valid(bytes, begin);
    text += bytes.substr(begin, end - begin);
    if (end == bytes.size()) return;
    const Scan bad = scan(bytes, end);
    if (bad.kind == Sequence::kUnfinished) {
      unfinished_ = bytes.substr(end);
      return;
    }
    text += kReplacementCharacter;
    begin = end + bad.length;
  }
}

void LossyUtf8::finish(std::string& text) {
  if (!unfinished_.empty()) text += kReplacementCharacter;
  unfinished_.clear();
}

}  // namespace lockstep
