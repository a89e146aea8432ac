// The byte-level alphabet of GPT-2: every byte has a printable character, so that any text is a word over 256 letters.
// Bytes that are printable in Latin-1 stand for themselves; the other 68 take U+0100 upwards (a space becomes "Ġ").
// Source: openai/gpt-2, encoder.py, bytes_to_unicode.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lockstep {

/// Appends the letter of every byte of `bytes`.
void append_byte_level(std::string_view bytes, std::string& letters);

/// The bytes that a word over the alphabet stands for; nullopt if any of its characters is not a letter.
std::optional<std::string> bytes_of_byte_level(std::string_view letters);

}  // namespace lockstep
