#include "core/text/incremental_decoder.h"

namespace lockstep {

std::string IncrementalDecoder::push(TokenId id) {
  std::string text;
  stream_->push(id, text);
  return text;
}

std::string IncrementalDecoder::finish() {
  std::string text;
  stream_->finish(text);
  return text;
}

}  // namespace lockstep
