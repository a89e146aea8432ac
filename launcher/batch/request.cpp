#include "launcher/batch/request.h"

namespace lockstep {
namespace {

// splitmix64 (Steele, Lea, Flood 2014): neighbours get unrelated numbers.
uint64_t mix(uint64_t state) {
  state = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9ULL;
  state = (state ^ (state >> 27)) * 0x94d049bb133111ebULL;
  return state ^ (state >> 31);
}

}  // namespace

uint64_t choice_seed(uint64_t row_seed, int64_t choice) {
  return choice == 0 ? row_seed : mix(row_seed + static_cast<uint64_t>(choice) * 0x9e3779b97f4a7c15ULL);
}

std::string_view name_of(FinishReason reason) { return reason == FinishReason::kStop ? "stop" : "length"; }

int64_t Result::num_prompt_tokens() const {
  int64_t total = 0;
  for (const PromptResult& prompt : prompts) total += static_cast<int64_t>(prompt.token_ids.size());
  return total;
}

int64_t Result::num_generated_tokens() const {
  int64_t total = 0;
  for (const Choice& choice : choices) total += static_cast<int64_t>(choice.token_ids.size());
  return total;
}

}  // namespace lockstep
