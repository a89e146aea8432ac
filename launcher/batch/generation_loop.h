// Turns requests into results: feeds the engine of one replica, turns its tokens into text, and ends each answer at an
// end-of-sequence token, a stop string or its length. Runs on the replica's leader.
//
// Memory: a bounded window of requests is in the engine; the rest stays in the source. Not thread-safe.
#pragma once

#include "core/checkpoint/model_config.h"
#include "core/text/tokenizer.h"
#include "launcher/batch/answer.h"
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
  /// The next request to answer, or nothing when there is none left.
  using Source = std::function<std::optional<Request>()>;
  /// Takes a finished answer. Called in the order in which answers finish.
  using Sink = std::function<void(const Request&, const Result&)>;
  /// Called after every step.
  using OnStep = std::function<void(const GenerationCounts&)>;

  GenerationLoop(Engine& engine, const Tokenizer& tokenizer, const ModelConfig& model, Source source, Sink sink,
                 OnStep on_step);

  /// Answers everything the source gives. Throws Error naming the row if its logits are not finite.
  void run();
  const GenerationCounts& counts() const { return counts_; }

 private:
  void fill();
  void take(const SampledToken& sampled);

  Engine& engine_;
  const Tokenizer& tokenizer_;
  const ModelConfig& model_;
  Source source_;
  Sink sink_;
  OnStep on_step_;
  bool source_is_empty_ = false;
  std::unordered_map<SequenceId, std::unique_ptr<Answer>> answers_;
  GenerationCounts counts_;
};

/// The ids of a request's prompt, with the tokenizer's special tokens around text.
std::vector<TokenId> prompt_ids(const Tokenizer& tokenizer, const Request& request);

/// What is wrong with a request for this model, "" if nothing: an empty prompt, an id outside the vocabulary, or a
/// prompt that leaves no room for a token within `max_sequence`.
std::string check_request(const Tokenizer& tokenizer, const ModelConfig& model, int64_t max_sequence,
                          const Request& request);

}  // namespace lockstep
