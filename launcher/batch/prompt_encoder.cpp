#include "launcher/batch/prompt_encoder.h"

#include "core/text/chat_template.h"
#include "launcher/batch/row_fault.h"

#include <algorithm>

namespace lockstep {

std::vector<std::vector<TokenId>> PromptEncoder::encode(Request& request) const {
  if (request.chat) render_chat(request);
  for (const LogitBias& bias : request.sampling.logit_bias) require_known({&bias.token, 1}, "logit_bias");
  require_known(request.stop_token_ids, "stop_token_ids");
  std::vector<std::vector<TokenId>> prompts;
  for (const Prompt& prompt : request.prompts) {
    const auto* const given = std::get_if<std::vector<TokenId>>(&prompt);
    prompts.push_back(given ? *given : tokenizer_.encode(std::get<std::string>(prompt), request.add_special_tokens));
    require_known(prompts.back(), "the prompt");
    require_fits(prompts.back());
  }
  return prompts;
}

void PromptEncoder::render_chat(Request& request) const {
  if (chat_template_ == nullptr)
    throw RowFault(kChatTemplateMissing,
                   "the model directory has no chat template (chat_template.jinja, or chat_template in "
                   "tokenizer_config.json); give one with --chat-template FILE");
  try {
    request.prompts = {Prompt(chat_template_->render(*request.chat, clock_))};
  } catch (const ChatTemplateError& error) {
    throw RowFault(kChatTemplateError, error.what());
  }
}

int64_t PromptEncoder::room_for(const Request& request, int64_t prompt_tokens) const {
  const int64_t room = max_sequence_ - prompt_tokens;
  // A row that asks for scores alone still computes its last token, whose answer is dropped.
  return request.max_tokens ? std::clamp<int64_t>(*request.max_tokens, 1, room) : room;
}

void PromptEncoder::require_known(std::span<const TokenId> ids, std::string_view what) const {
  for (const TokenId id : ids) {
    if (id.value() < 0 || id.value() >= model_.vocab_size)
      throw RowFault(kTokenOutOfRange, fmt::format("{} holds token id {}; the model's vocabulary has ids 0 to {}", what,
                                                   id.value(), model_.vocab_size - 1));
  }
}

void PromptEncoder::require_fits(std::span<const TokenId> ids) const {
  if (ids.empty())
    throw RowFault(kEmptyPrompt, "the prompt is empty and the tokenizer adds no beginning-of-sequence token");
  if (static_cast<int64_t>(ids.size()) >= max_sequence_)
    throw RowFault(kContextLengthExceeded,
                   fmt::format("the prompt has {} tokens; with one token of answer at most {} fit "
                               "(model.max_sequence = {})",
                               ids.size(), max_sequence_ - 1, max_sequence_));
}

}  // namespace lockstep
