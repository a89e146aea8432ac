#include "launcher/eval/row_answers.h"

#include "launcher/batch/generation_loop.h"
#include "launcher/batch/prompt_encoder.h"

#include <chrono>

namespace lockstep {

RowAnswers answer_rows(Session& session, std::span<const EvalRow> rows, const ChatTemplate::Clock& clock) {
  const TextModel& text = session.text();
  const ModelConfig& model = session.checkpoint().config();
  const PromptEncoder encoder(*text.tokenizer, model, text.chat_template ? &*text.chat_template : nullptr,
                              session.engine().config().max_sequence, clock);
  RowAnswers answers;
  answers.rows.resize(rows.size());
  size_t next = 0;
  const auto start = std::chrono::steady_clock::now();
  GenerationLoop loop(
      session.engine(), *text.tokenizer, model, encoder, 2 * session.engine().config().max_sequences,
      {.next = [&]() -> std::optional<Request> {
         if (next == rows.size()) return std::nullopt;
         Request request = rows[next].request;
         request.index = static_cast<int64_t>(next++);
         return request;
       },
       .answered =
           [&](const Request& request, const Result& result) {
             answers.rows[static_cast<size_t>(request.index)] = {
                 result.prompts[0].token_ids, result.choices[0].token_ids, result.choices[0].text, ""};
           },
       .failed = [&](const RowError& error) { answers.rows[static_cast<size_t>(error.index)].error = error.message; }});
  loop.run();
  answers.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  for (const RowAnswer& row : answers.rows)
    answers.num_tokens += static_cast<int64_t>(row.prompt.size() + row.tokens.size());
  return answers;
}

}  // namespace lockstep
