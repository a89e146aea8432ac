#include "core/error.h"
#include "launcher/batch/generation_loop.h"
#include "launcher/batch/prompt_encoder.h"
#include "launcher/batch/row_fault.h"
#include "launcher/engine.h"
#include "launcher/text_model.h"

namespace lockstep {

void Engine::generate(std::span<const Request> requests, const AnswerCallback& callback) {
  if (!planner_) return follow();
  LS_CHECK(text_ != nullptr, "generate() needs a session with a tokenizer");
  const PromptEncoder encoder(*text_->tokenizer, model_, text_->chat_template ? &*text_->chat_template : nullptr,
                              config_.max_sequence);
  const auto request_at = [&](size_t place) {
    Request request = requests[place];
    request.index = static_cast<int64_t>(place);
    return request;
  };
  size_t next = 0;
  const auto source = [&]() -> std::optional<Request> {
    for (; next < requests.size(); ++next) {
      if (requests[next].chat || requests[next].num_choices() > 0) return request_at(next++);
      const Request empty = request_at(next);
      callback(empty, RowError{empty.index, empty.custom_id, std::string(kMissingField), "the request has no prompt"});
    }
    return std::nullopt;
  };
  GenerationLoop loop(*this, *text_->tokenizer, model_, encoder, /*window=*/0,
                      {.next = source, .answered = callback, .failed = [&](const RowError& error) {
                         callback(request_at(static_cast<size_t>(error.index)), error);
                       }});
  loop.run();
  stop();
}

}  // namespace lockstep
