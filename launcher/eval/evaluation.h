// Scores one set under several settings, one session after the other. What the first session answers, and the logits it
// finds on the way, are what later ones are compared with.
//
// Every setting answers the rows greedily, as `lockstep generate` does (score, speed); then the first setting's answers
// and the text's windows are given token by token (divergence, perplexity).
#pragma once

#include "dist/sharding.h"
#include "launcher/eval/eval_report.h"
#include "launcher/eval/eval_rows.h"
#include "launcher/eval/eval_settings.h"
#include "launcher/eval/forced_pass.h"
#include "launcher/eval/logit_spool.h"
#include "launcher/eval/row_answers.h"
#include "launcher/session.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace lockstep {

/// Of rank 0 alone. Memory: rows, text and answers; logits are on disk. Not thread-safe.
class Evaluation {
 public:
  /// Reads what is scored. Throws: IoError, FormatError naming file and line; ConfigError if there is nothing to score.
  Evaluation(const EvalSettings& settings, const std::filesystem::path& model_directory);

  /// Before run(), while other ranks wait: what needs the session's model. Throws ConfigError if that cannot be
  /// compared with the first session's, naming what differs, or has no room for a window.
  void prepare(const Session& session);
  /// Figures of a session; of several, the first has the reference. The caller names them.
  /// Ranks: leader, with others in follow().
  SettingFigures run(Session& session);

  /// Name of the requests and of the text; "" = none.
  const std::string& input() const { return input_; }
  const std::string& text() const { return settings_.text; }

 private:
  /// Sequences whose tokens are given, and the first session's logits for them.
  struct Reference {
    std::vector<ForcedSequence> sequences;
    std::vector<int64_t> first_place;  // of each sequence's tokens among all
    int64_t num_places = 0;
    std::optional<LogitSpool> logits;
  };
  /// What a pass over some of these adds up to, by sequence.
  struct Compared {
    std::vector<DivergenceSum> divergence;
    std::vector<double> nats;
    ForcedPass pass;
  };

  bool is_first() const { return !vocab_size_.has_value(); }
  void cut_text(const Session& session);
  /// Rows are answered and compared in parts of neighbours: what the one pass left in the cache the other finds there.
  void run_part(Session& session, Range part, bool is_reference, RowFigures& figures, std::string& failure);
  void take_reference_rows(Range part, const RowAnswers& answers);
  void add_places(Reference& reference) const;
  Compared compare(Session& session, Reference& reference, Range sequences, bool is_reference) const;
  RowFigures run_rows(Session& session, bool is_reference, std::string& failure);
  TextFigures run_text(Session& session, bool is_reference, std::string& failure);

  EvalSettings settings_;
  std::filesystem::path temporary_;
  std::string input_, content_;
  std::vector<EvalRow> rows_;
  std::string date_;

  std::optional<int64_t> vocab_size_;  // once there is a reference, like all below
  std::vector<std::string> texts_;     // by row; "" where it failed
  Reference answers_, windows_;
  std::vector<int64_t> row_of_answer_;  // of answers_.sequences, ascending
};

}  // namespace lockstep
