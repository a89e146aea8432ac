#include "core/text/decoder_steps.h"

#include "core/text/byte_level.h"

#include <charconv>
#include <optional>
#include <utility>

namespace lockstep {
namespace {

/// The byte of a token `<0xHH>`.
std::optional<char> byte_of(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return std::nullopt;
  uint8_t byte = 0;
  const auto [end, error] = std::from_chars(token.data() + 3, token.data() + 5, byte, 16);
  if (error != std::errc() || end != token.data() + 5) return std::nullopt;
  return static_cast<char>(byte);
}

/// One U+FFFD for every byte that belongs to no valid sequence, as SentencePiece counts them.
std::string replace_invalid_bytes(std::string_view bytes) {
  std::string text;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::string_view character = bytes.substr(at, utf8_length(bytes[at]));
    const bool valid = is_valid_utf8(character);
    text += valid ? character : kReplacementCharacter;
    at += valid ? character.size() : 1;
  }
  return text;
}

}  // namespace

void ByteLevelStep::push(std::string_view token, const TokenSink& next) {
  std::string text;
  const std::optional<std::string> bytes = bytes_of_byte_level(token);
  utf8_.push(bytes ? *bytes : token, text);
  next(text);
}

void ByteLevelStep::finish(const TokenSink& next) {
  std::string text;
  utf8_.finish(text);
  next(text);
}

void ByteFallbackStep::push(std::string_view token, const TokenSink& next) {
  if (const std::optional<char> byte = byte_of(token)) {
    run_ += *byte;
    return;
  }
  finish(next);
  next(token);
}

void ByteFallbackStep::finish(const TokenSink& next) {
  if (run_.empty()) return;
  if (is_valid_utf8(run_)) {
    next(run_);
  } else if (invalid_ == Invalid::kBytesAlone) {
    next(replace_invalid_bytes(run_));
  } else {
    for (std::size_t i = 0; i < run_.size(); ++i) next(kReplacementCharacter);
  }
  run_.clear();
}

void ReplaceStep::push(std::string_view token, const TokenSink& next) {
  std::string replaced;
  pattern_.replace(token, content_, replaced);
  next(replaced);
}

void MetaspaceStep::push(std::string_view token, const TokenSink& next) {
  std::string replaced;
  mark_.replace(token, std::exchange(drop_, false) ? "" : " ", replaced);
  next(replaced);
}

StripStep::StripStep(std::string content, int64_t start, int64_t stop)
    : content_(std::move(content)), start_(start), stop_(stop) {}

void StripStep::push(std::string_view token, const TokenSink& next) {
  for (int64_t i = 0; i < start_ && token.starts_with(content_); ++i) token.remove_prefix(content_.size());
  for (int64_t i = 0; i < stop_ && token.ends_with(content_); ++i) token.remove_suffix(content_.size());
  next(token);
}

StripFusedStep::StripFusedStep(std::string content, int64_t start, int64_t stop)
    : content_(std::move(content)), start_left_(start), stop_(stop) {}

void StripFusedStep::push(std::string_view token, const TokenSink& next) {
  for (; start_left_ > 0 && token.starts_with(content_); --start_left_) token.remove_prefix(content_.size());
  if (token.empty()) return;
  start_left_ = 0;
  int64_t trailing = 0;
  for (; trailing < stop_ && token.ends_with(content_); ++trailing) token.remove_suffix(content_.size());
  // What was held back is followed by something after all, unless this fragment holds nothing but contents.
  const int64_t total = held_ + trailing;
  int64_t settled = token.empty() ? std::max<int64_t>(total - stop_, 0) : held_;
  held_ = total - settled;
  std::string out;
  for (; settled > 0; --settled) out += content_;
  out += token;
  next(out);
}

void StripFusedStep::finish(const TokenSink& /*next*/) { held_ = 0; }

void JoinStep::push(std::string_view token, const TokenSink& next) {
  if (!std::exchange(first_, false)) next(" ");
  next(token);
}

}  // namespace lockstep
