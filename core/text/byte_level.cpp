#include "core/text/byte_level.h"

#include "core/text/utf8.h"

#include <array>

namespace lockstep {
namespace {

constexpr int kNumLetters = 0x100 + 68;  // one past the highest letter

struct Alphabet {
  std::array<std::string, 256> letter;         // UTF-8
  std::array<int16_t, kNumLetters> byte_of{};  // by code point; -1 where there is no letter

  Alphabet() {
    byte_of.fill(-1);
    char32_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
      const char32_t code_point = printable ? static_cast<char32_t>(byte) : next++;
      append_utf8(code_point, letter[static_cast<std::size_t>(byte)]);
      byte_of[code_point] = static_cast<int16_t>(byte);
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet instance;
  return instance;
}

}  // namespace

void append_byte_level(std::string_view bytes, std::string& letters) {
  const Alphabet& table = alphabet();
  for (const char byte : bytes) letters += table.letter[static_cast<uint8_t>(byte)];
}

std::optional<std::string> bytes_of_byte_level(std::string_view letters) {
  const Alphabet& table = alphabet();
  std::string bytes;
  for (std::size_t at = 0; at < letters.size();) {
    const char32_t letter = next_code_point(letters, at);
    if (letter >= kNumLetters || table.byte_of[letter] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(table.byte_of[letter]));
  }
  return bytes;
}

}  // namespace lockstep
