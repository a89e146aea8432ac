// Turns requests into results: feeds the engine of one replica, turns its tokens into text, and ends each answer at an
// end-of-sequence token, a stop string or its length. Runs on the replica's leader.
//
// A row that cannot be answered fails alone. Memory: a bounded window of requests is in the engine, which knows their
// prompts and so what is wanted next; the rest stays in the source. Not thread-safe.
#pragma once

#include "core/checkpoint/model_config.h"
#include "core/text/tokenizer.h"
#include "launcher/batch/answer.h"
#include "launcher/batch/prompt_encoder.h"
#include "launcher/batch/request.h"
#include "launcher/engine.h"

#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

namespace lockstep {

struct GenerationCounts {
  int64_t prompt_tokens = 0;
  int64_t generated_tokens = 0;
};

class GenerationLoop {
 public:
  /// What the loop asks and tells. Answers come in the order in which they are complete.
  struct Callbacks {
    /// The next request, or nothing when there is none left.
    std::function<std::optional<Request>()> next;
    std::function<void(const Request&, const Result&)> answered;
    std::function<void(const RowError&)> failed;
    /// After every step, and now and then where rows fail without one; false ends the loop there, with rows unanswered.
    std::function<bool(const GenerationCounts&)> goes_on = [](const GenerationCounts&) { return true; };
  };

  /// Keeps `window` sequences in the engine, or as many as run at once if that is more.
  GenerationLoop(Engine& engine, const Tokenizer& tokenizer, const ModelConfig& model, const PromptEncoder& encoder,
                 int64_t window, Callbacks callbacks);

  /// Answers everything the source gives.
  void run();
  const GenerationCounts& counts() const { return counts_; }

 private:
  /// A row and what it has so far.
  struct Row {
    Request request;
    Result result;
    /// In the engine, by choice; nothing once the choice is complete.
    std::vector<std::optional<SequenceId>> sequences;
    int64_t num_open = 0;
  };
  struct OpenChoice {
    std::shared_ptr<Row> row;
    int64_t choice;
    Answer answer;
  };

  bool fill();
  void start(Request request);
  void start_choice(const std::shared_ptr<Row>& row, int64_t choice);
  void take_prompt_scores();
  void take(const SampledToken& sampled);
  void complete(OpenChoice& open, SequenceId sequence);
  void fail(const std::shared_ptr<Row>& row, std::string_view code, const std::string& message);

  Engine& engine_;
  const Tokenizer& tokenizer_;
  const ModelConfig& model_;
  const PromptEncoder& encoder_;
  size_t window_;
  Callbacks callbacks_;
  bool source_is_empty_ = false;
  std::unordered_map<SequenceId, OpenChoice> open_;
  GenerationCounts counts_;
};

}  // namespace lockstep
