#include "core/text/chained_decode_stream.h"

#include <utility>

namespace lockstep {

ChainedDecodeStream::ChainedDecodeStream(Spelling spelling, std::vector<std::unique_ptr<DecoderStep>> steps)
    : spelling_(std::move(spelling)), steps_(std::move(steps)) {}

void ChainedDecodeStream::pass(std::size_t step, std::string_view token, std::string& text) {
  if (step == steps_.size()) {
    text += token;
    return;
  }
  steps_[step]->push(token, [&](std::string_view out) { pass(step + 1, out, text); });
}

void ChainedDecodeStream::push(TokenId id, std::string& text) {
  if (const std::optional<std::string> token = spelling_(id)) pass(0, *token, text);
}

void ChainedDecodeStream::finish(std::string& text) {
  for (std::size_t step = 0; step < steps_.size(); ++step)
    steps_[step]->finish([&](std::string_view out) { pass(step + 1, out, text); });
}

}  // namespace lockstep
