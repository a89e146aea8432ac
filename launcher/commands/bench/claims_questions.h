// What the claim of sparse attention's memory is measured with: questions that are computed in groups, each of which
// runs at once. Held-out questions of the model, or random prompts where it has none. Rank 0's; the sizes of it are the
// same on every rank once shared.
#pragma once

#include "core/ids.h"
#include "launcher/commands/bench/claims.h"
#include "launcher/eval/eval_rows.h"
#include "launcher/text_model.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

namespace lockstep::bench {

/// In tokens, but for the counts.
struct QuestionSizes {
  int64_t at_once = 0, num_questions = 0;  // whole groups
  int64_t shortest = 0, longest = 0;       // prompts
  int64_t new_tokens = 0;                  // generated behind each, its end or not
  /// Rank 0's, on every rank. Ranks: collective.
  void share(Communicator& world);
};

class Questions {
 public:
  /// Whole groups of up to `at-once` of the first `rows` held-out questions; without a set of them, `at-once` random
  /// prompts of `prompt-tokens`. Not thread-safe. Throws: as read_eval_rows(); RowFault for a question that the model
  /// cannot take; ConfigError for an empty set.
  explicit Questions(const ClaimRun& run);

  const QuestionSizes& sizes() const { return sizes_; }
  bool have_answers() const { return text_.has_value(); }
  const std::vector<TokenId>& prompt(int64_t question) const { return prompts_[static_cast<size_t>(question)]; }
  /// First question of the group with the longest prompts.
  int64_t largest_group() const;
  /// Whether the tokens say the right answer, up to where `lockstep generate` would have ended.
  bool is_right(int64_t question, std::span<const TokenId> tokens) const;

 private:
  void read(const ClaimRun& run, const std::filesystem::path& held_out);
  int64_t group_tokens(int64_t first) const;

  const ModelConfig& model_;
  std::optional<TextModel> text_;
  std::vector<EvalRow> rows_;  // of held-out questions
  std::vector<std::vector<TokenId>> prompts_;
  QuestionSizes sizes_;
};

}  // namespace lockstep::bench
