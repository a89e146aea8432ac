// From what a row says to the token ids that the engine computes: renders conversations, encodes text, and checks that
// the model can take the result.
#pragma once

#include "core/checkpoint/model_config.h"
#include "core/text/chat_template.h"
#include "core/text/tokenizer.h"
#include "launcher/batch/request.h"

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace lockstep {

/// Refers to what it is made from. Thread-safe.
class PromptEncoder {
 public:
  /// `chat_template` may be nullptr: then chat rows cannot be answered. `clock` is what it takes for now.
  PromptEncoder(const Tokenizer& tokenizer, const ModelConfig& model, const ChatTemplate* chat_template,
                int64_t max_sequence, ChatTemplate::Clock clock = std::chrono::system_clock::now)
      : tokenizer_(tokenizer),
        model_(model),
        chat_template_(chat_template),
        max_sequence_(max_sequence),
        clock_(std::move(clock)) {}

  /// The ids of each prompt; a chat row's conversation becomes its only prompt. Throws RowFault
  /// (chat_template_missing, chat_template_error, empty_prompt, token_out_of_range, context_length_exceeded).
  std::vector<std::vector<TokenId>> encode(Request& request) const;
  /// Tokens that may be generated behind a prompt; at least 1.
  int64_t room_for(const Request& request, int64_t prompt_tokens) const;

 private:
  void render_chat(Request& request) const;
  void require_known(std::span<const TokenId> ids, std::string_view what) const;
  void require_fits(std::span<const TokenId> ids) const;

  const Tokenizer& tokenizer_;
  const ModelConfig& model_;
  const ChatTemplate* chat_template_;
  int64_t max_sequence_;
  ChatTemplate::Clock clock_;
};

}  // namespace lockstep
