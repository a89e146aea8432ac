#include "launcher/eval/forced_pass.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <unordered_map>

namespace lockstep {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

bool are_finite(std::span<const float> logits) {
  return std::all_of(logits.begin(), logits.end(), [](float logit) { return std::isfinite(logit); });
}

struct Open {
  size_t sequence;
  size_t num_taken = 0;
};

}  // namespace

ForcedPass run_forced(Engine& engine, std::span<const ForcedSequence> sequences, const ForcedVisitor& visit) {
  ForcedPass pass{std::vector<bool>(sequences.size()), 0.0};
  std::unordered_map<SequenceId, Open> open;
  double visitor_seconds = 0.0;
  engine.observe_logits([&](SequenceId id, int64_t position, std::span<const float> logits) {
    const auto start = Clock::now();
    const auto at = open.find(id);
    if (at == open.end()) return;  // a step further than wanted, planned ahead
    const Open& one = at->second;
    if (are_finite(logits)) {
      visit(one.sequence, static_cast<size_t>(position) - sequences[one.sequence].prompt.size(), logits);
    } else {
      pass.failed[one.sequence] = true;
    }
    visitor_seconds += seconds_since(start);
  });
  const auto start = Clock::now();
  size_t next = 0;
  // As many wait as run, so that the planner knows who reads a page next.
  const auto most_open = static_cast<size_t>(2 * engine.config().max_sequences);
  while (true) {
    for (; next < sequences.size() && open.size() < most_open; ++next)
      open.emplace(engine.add_forced(sequences[next].prompt, sequences[next].tokens), Open{next});
    if (!engine.has_work()) break;
    for (const SampledToken& sampled : engine.step()) {
      const auto at = open.find(sampled.sequence);
      if (at == open.end()) continue;  // it ended while this was computed
      Open& one = at->second;
      if (!sampled.token) pass.failed[one.sequence] = true;
      if (++one.num_taken < sequences[one.sequence].tokens.size() && !pass.failed[one.sequence]) continue;
      engine.finish(sampled.sequence);
      open.erase(at);
    }
  }
  pass.seconds = seconds_since(start) - visitor_seconds;
  engine.observe_logits({});
  return pass;
}

}  // namespace lockstep
