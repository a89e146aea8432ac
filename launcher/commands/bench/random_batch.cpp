#include "launcher/commands/bench/random_batch.h"

#include "core/error.h"
#include "core/philox.h"

#include <iterator>
#include <utility>
#include <vector>

namespace lockstep::bench {

void RandomBatch::add(int64_t prompt_tokens, int64_t max_new_tokens) {
  std::vector<TokenId> prompt;
  const auto stream = static_cast<uint64_t>(size());
  for (int64_t i = 0; i < prompt_tokens; ++i) {
    const double u = philox_uniform(seed_, static_cast<uint64_t>(i), stream);
    prompt.emplace_back(static_cast<int32_t>(u * static_cast<double>(vocab_)));
  }
  const SequenceId id = engine_.add(std::move(prompt), max_new_tokens, {});
  sequences_.emplace(id, Progress{prompt_tokens, max_new_tokens, 0});
}

void RandomBatch::step() {
  for (const SampledToken& sampled : engine_.step()) {
    const auto found = sequences_.find(sampled.sequence);
    if (found == sequences_.end()) continue;  // of the batch before, planned before that ended
    Progress& progress = found->second;
    if (progress.done == progress.most) continue;  // planned ahead, over before it was computed
    LS_REQUIRE(Error, sampled.token.has_value(), "a sequence of {} tokens has logits that are not finite",
               progress.prompt + progress.done);
    if (progress.done++ == 0) ++num_started_;
    if (progress.done < progress.most) continue;
    ++num_ended_;
    engine_.finish(sampled.sequence);
  }
}

int64_t RandomBatch::prefill() {
  int64_t steps = 0;
  for (; num_started_ < size(); ++steps) step();
  return steps;
}

void RandomBatch::decode(int64_t count) {
  for (int64_t i = 0; i < count; ++i) step();
  LS_CHECK(num_ended_ == 0, "{} sequences of the measured batch ended early", num_ended_);
}

int64_t RandomBatch::run_to_end() {
  int64_t steps = 0;
  for (; num_ended_ < size(); ++steps) step();
  return steps;
}

void RandomBatch::finish() {
  if (num_ended_ == size()) return;
  for (const auto& [id, progress] : sequences_)
    if (progress.done < progress.most) engine_.finish(id);
  // A step that was planned ahead is still under way; the next measurement must not pay for it.
  RandomBatch last(engine_, vocab_, seed_);
  last.add(1, 1);
  last.run_to_end();
}

double RandomBatch::mean_context() const {
  int64_t sum = 0;
  for (const auto& [id, progress] : sequences_) sum += progress.prompt + progress.done;
  return static_cast<double>(sum) / static_cast<double>(size());
}

// The planner's rule: a token of each sequence that has started, then prompts in their order, cut at pages.
std::vector<int64_t> start_steps(int64_t batch, int64_t tokens, int64_t max_step_tokens, int64_t page_tokens) {
  LS_REQUIRE(ConfigError, max_step_tokens - batch >= page_tokens,
             "schedule.max_step_tokens = {}: batch {} and a page of {} tokens need at least {}", max_step_tokens, batch,
             page_tokens, batch + page_tokens);
  std::vector<int64_t> starts;
  int64_t done = 0;  // tokens of the prompt that is next
  for (int64_t step = 0; std::ssize(starts) < batch; ++step) {
    int64_t room = max_step_tokens - std::ssize(starts);
    while (std::ssize(starts) < batch) {
      const int64_t left = tokens - done;
      const int64_t taken = left <= room ? left : room / page_tokens * page_tokens;
      room -= taken;
      done += taken;
      if (taken < left) break;
      starts.push_back(step);
      done = 0;
    }
  }
  return starts;
}

}  // namespace lockstep::bench
