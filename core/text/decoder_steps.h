// The steps a Decoder is built from (core/text/decoder.h). Each is a small machine: tokens in, tokens out.
// Not thread-safe: one chain a stream.
#pragma once

#include "core/text/pattern.h"
#include "core/text/utf8.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace lockstep {

/// Receives the tokens a step passes on.
using TokenSink = std::function<void(std::string_view)>;

class DecoderStep {
 public:
  virtual ~DecoderStep() = default;
  virtual void push(std::string_view token, const TokenSink& next) = 0;
  /// The end of the stream: passes on what was held back.
  virtual void finish(const TokenSink& /*next*/) {}
};

/// Byte-level letters to bytes to text. A token with a character outside the alphabet stands for its own bytes.
class ByteLevelStep : public DecoderStep {
 public:
  void push(std::string_view token, const TokenSink& next) override;
  void finish(const TokenSink& next) override;

 private:
  LossyUtf8 utf8_;
};

/// Runs of tokens `<0xHH>` to the text of those bytes.
class ByteFallbackStep : public DecoderStep {
 public:
  /// What an invalid run becomes: U+FFFD for each of its bytes (Hugging Face), or for the invalid bytes alone
  /// (SentencePiece).
  enum class Invalid : uint8_t { kWholeRun, kBytesAlone };
  explicit ByteFallbackStep(Invalid invalid) : invalid_(invalid) {}
  void push(std::string_view token, const TokenSink& next) override;
  void finish(const TokenSink& next) override;

 private:
  Invalid invalid_;
  std::string run_;
};

class ReplaceStep : public DecoderStep {
 public:
  ReplaceStep(Pattern pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void push(std::string_view token, const TokenSink& next) override;

 private:
  Pattern pattern_;
  std::string content_;
};

/// The mark becomes a space; in the first token it becomes nothing where encoding prepended it.
class MetaspaceStep : public DecoderStep {
 public:
  MetaspaceStep(std::string mark, bool drop_in_first) : mark_(std::move(mark)), drop_(drop_in_first) {}
  void push(std::string_view token, const TokenSink& next) override;

 private:
  Pattern mark_;
  bool drop_;
};

/// Removes up to `start` leading and `stop` trailing characters equal to `content`, from each token.
class StripStep : public DecoderStep {
 public:
  StripStep(std::string content, int64_t start, int64_t stop);
  void push(std::string_view token, const TokenSink& next) override;

 private:
  std::string content_;
  int64_t start_, stop_;
};

/// The same where all pushes are fragments of one token.
class StripFusedStep : public DecoderStep {
 public:
  StripFusedStep(std::string content, int64_t start, int64_t stop);
  void push(std::string_view token, const TokenSink& next) override;
  void finish(const TokenSink& next) override;

 private:
  std::string content_;
  int64_t start_left_, stop_;
  int64_t held_ = 0;  // trailing contents not yet passed on, at most stop_
};

/// A space between tokens: decoding without a decoder.
class JoinStep : public DecoderStep {
 public:
  void push(std::string_view token, const TokenSink& next) override;

 private:
  bool first_ = true;
};

}  // namespace lockstep
