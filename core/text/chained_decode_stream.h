// A DecodeStream over a chain of decoder steps. See core/text/decoder.h.
#pragma once

#include "core/text/decoder_steps.h"
#include "core/text/tokenizer.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

class ChainedDecodeStream : public DecodeStream {
 public:
  /// What the first step is given for an id; nullopt leaves the id out.
  using Spelling = std::function<std::optional<std::string>(TokenId)>;

  ChainedDecodeStream(Spelling spelling, std::vector<std::unique_ptr<DecoderStep>> steps);

  void push(TokenId id, std::string& text) override;
  void finish(std::string& text) override;

 private:
  /// Hands `token` to the step at `step`, and what comes out of it to the steps behind.
  void pass(std::size_t step, std::string_view token, std::string& text);

  Spelling spelling_;
  std::vector<std::unique_ptr<DecoderStep>> steps_;
};

}  // namespace lockstep
