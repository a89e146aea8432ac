// Logits of given tokens through the whole engine are those of a decoder that reads the same tokens one by one.
#include "launcher/eval/forced_pass.h"

#include "core/checkpoint/checkpoint.h"
#include "tests/support/local_ranks.h"
#include "tests/support/model_runner.h"

#include <cmath>
#include <map>

namespace lockstep {
namespace {

const std::filesystem::path kModel = std::filesystem::path(LOCKSTEP_SOURCE_DIR) / "tests/goldens/models/llama_llama3";
constexpr int32_t kVocab = 157;

using Place = std::pair<size_t, size_t>;  // sequence, token
using Logits = std::map<Place, std::vector<float>>;

std::vector<TokenId> some_tokens(int64_t count, int32_t seed) {
  std::vector<TokenId> tokens;
  for (int64_t i = 0; i < count; ++i) tokens.emplace_back((seed * 31 + static_cast<int32_t>(i * i) * 7 + 11) % kVocab);
  return tokens;
}

std::vector<ForcedSequence> some_sequences() {
  return {{some_tokens(20, 1), some_tokens(40, 2)},
          {some_tokens(5, 3), some_tokens(60, 4)},
          {some_tokens(1, 5), some_tokens(70, 6)},
          {some_tokens(33, 1), some_tokens(40, 8)},
          {some_tokens(20, 1), some_tokens(1, 9)}};
}

Logits expected() {
  Logits logits;
  run_local_ranks(1, [&](Communicator& alone) {
    const std::vector<ForcedSequence> sequences = some_sequences();
    testing_support::ModelRunner runner(kModel, alone, detect_cpu_isa());
    for (size_t s = 0; s < sequences.size(); ++s) {
      runner.restart();
      std::vector<float> row = runner.append(sequences[s].prompt, 16);
      for (size_t i = 0; i < sequences[s].tokens.size(); ++i) {
        logits[{s, i}] = row;
        row = runner.append({sequences[s].tokens[i]}, 1);
      }
    }
  });
  return logits;
}

struct Seen {
  Logits logits;
  std::vector<bool> failed;
  int64_t preemptions = 0;
};

Seen run(int32_t num_ranks, int64_t num_slots) {
  Seen seen;
  check_on_local_ranks(num_ranks, [&](Communicator& group) {
    const Checkpoint checkpoint = Checkpoint::open(kModel);
    ThreadPool threads(2);
    Stream stream = Stream::inline_cpu();
    const OpContext context{.stream = &stream, .threads = &threads, .isa = detect_cpu_isa()};
    Engine engine(context, checkpoint, Topology(num_ranks, num_ranks, group.rank()), group,
                  {.dtype = checkpoint.config().dtype,
                   .max_sequence = 128,
                   .max_step_tokens = 64,
                   .max_sequences = 4,
                   .page_tokens = 16,
                   .num_slots = num_slots});
    if (group.rank() != Rank(0)) return engine.follow();
    const std::vector<ForcedSequence> sequences = some_sequences();
    seen.failed =
        run_forced(engine, sequences, [&](size_t sequence, size_t index, std::span<const float> logits) {
          const bool is_new =
              seen.logits.emplace(Place{sequence, index}, Logits::mapped_type(logits.begin(), logits.end())).second;
          EXPECT_TRUE(is_new) << sequence << ", " << index;
        }).failed;
    EXPECT_FALSE(engine.has_work());
    seen.preemptions = engine.planner_stats().preemptions;
    engine.stop();
  });
  return seen;
}

TEST(ForcedPass, LogitsAreThoseOfTheGivenTokensOnAnyNumberOfRanks) {
  const Logits right = expected();
  for (const int32_t ranks : {1, 2, 4}) {
    const Seen seen = run(ranks, 64);
    EXPECT_EQ(seen.logits, right) << ranks << " ranks";
    EXPECT_EQ(seen.failed, std::vector<bool>(5, false));
  }
}

TEST(ForcedPass, SequencesThatAreComputedAgainAreToldOnce) {
  const Seen seen = run(1, 8);
  EXPECT_GT(seen.preemptions, 0);
  EXPECT_EQ(seen.logits, expected());
}

}  // namespace
}  // namespace lockstep
