// sparse-memory: device memory for keys and values of sequences that run at once, dense, and sparse with their pages in
// host memory (attention.sparse_offload).
#include "core/error.h"
#include "dist/communicator.h"
#include "launcher/commands/bench/claims_questions.h"
#include "launcher/commands/bench/claims_turns.h"
#include "launcher/commands/command.h"
#include "launcher/phase.h"
#include "launcher/session.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

namespace lockstep::bench {
namespace {

// What an engine did with questions. Rank 0's; `slots` and `all_ran_at_once` are every rank's.
struct Ran {
  std::vector<std::vector<TokenId>> tokens;  // by question
  bool all_ran_at_once = false;              // in each group, and nobody was preempted
  int64_t slots = 0, kv_bytes = 0;           // of the device
  int64_t peak_held_slots = 0;               // that running sequences held
  int64_t peak_on_host = 0;                  // pages that they read there
};

// Generates behind one group's prompts. False as soon as one ended before all had begun, or one was preempted; all are
// ended then.
bool run_group(Engine& engine, const Questions& questions, int64_t first, Ran& ran) {
  const QuestionSizes& sizes = questions.sizes();
  const int64_t preemptions = engine.planner_stats().preemptions;
  std::unordered_map<SequenceId, int64_t> left;  // questions that have tokens to come
  for (int64_t i = first; i < first + sizes.at_once; ++i) {
    ran.tokens[static_cast<size_t>(i)].clear();
    left.emplace(engine.add(questions.prompt(i), sizes.new_tokens, {}), i);
  }
  int64_t num_begun = 0;
  bool is_at_once = true;
  while (!left.empty() && is_at_once) {
    const auto sampled = engine.step();
    ran.peak_held_slots = std::max(ran.peak_held_slots, engine.cache_slots_used());
    is_at_once = engine.planner_stats().preemptions == preemptions;
    for (const SampledToken& one : sampled) {
      const auto found = left.find(one.sequence);
      if (found == left.end()) continue;  // planned ahead, over before it was computed
      LS_REQUIRE(Error, one.token.has_value(), "a question has logits that are not finite");
      std::vector<TokenId>& tokens = ran.tokens[static_cast<size_t>(found->second)];
      tokens.push_back(*one.token);
      num_begun += tokens.size() == 1 ? 1 : 0;
      if (static_cast<int64_t>(tokens.size()) < sizes.new_tokens) continue;
      engine.finish(one.sequence);
      left.erase(found);
    }
    if (static_cast<int64_t>(left.size()) < sizes.at_once && num_begun < sizes.at_once) is_at_once = false;
  }
  for (const auto& [sequence, question] : left) engine.finish(sequence);
  return is_at_once;
}

struct Side {
  bool is_sparse = false, offloads = false;
};

// With room for whole pages on device and host.
EngineSettings settings_of(const ClaimRun& run, const QuestionSizes& sizes, Side side, int64_t pages,
                           int64_t host_pages) {
  EngineSettings settings = settings_for(run, sizes.at_once, sizes.longest + sizes.new_tokens);
  const int64_t page = settings.cache.page_tokens;
  settings.cache.device_tokens = pages * page;
  settings.cache.device_bytes = 0;
  settings.cache.host_tokens = host_pages * page;
  settings.cache.host_bytes = 0;
  settings.cache.disk_dir.clear();
  settings.cache.disk_bytes = 0;
  settings.cache.disk_packing = "none";
  settings.cache.disk_packing_level = 1;
  reset_cold_format(settings.cache);
  settings.attention.sparse_ratio = side.is_sparse ? sparse_ratio_of(run) : 1.0;
  if (!settings.attention.is_sparse()) settings.attention.sparse_layer_ratios = "none";
  settings.attention.sparse_dense_below = 0;
  settings.attention.sparse_offload = side.offloads ? "true" : "false";
  if (!side.offloads) settings.attention.sparse_hot_pages = -1;
  return settings;
}

class Measurement {
 public:
  /// `questions`: rank 0's, nullptr on others.
  Measurement(const ClaimRun& run, const Questions* questions, const QuestionSizes& sizes)
      : run_(run), questions_(questions), sizes_(sizes) {}

  /// Slots of the longest sequence, and of all of a group to their end.
  int64_t least_slots() const { return pages_of_longest() + is_split(); }
  int64_t most_slots() const { return sizes_.at_once * (pages_of_longest() + is_split() + 1); }

  /// All questions, or one group of them. Stops at the first group that did not run at once.
  /// Ranks: collective.
  Ran run(Side side, int64_t slots, int64_t host_slots, std::optional<int64_t> group = {}) const {
    Session session(run_.mpi, run_.world, settings(side, slots, host_slots), std::nullopt);
    Ran ran;
    ran.slots = slots;
    if (!session.topology().is_leader()) session.engine().follow();
    if (questions_ != nullptr) {
      Engine& engine = session.engine();
      ran.tokens.resize(static_cast<size_t>(sizes_.num_questions));
      const int64_t end = group ? *group + 1 : sizes_.num_questions;
      ran.all_ran_at_once = true;
      for (int64_t first = group.value_or(0); first < end && ran.all_ran_at_once; first += sizes_.at_once)
        ran.all_ran_at_once = run_group(engine, *questions_, first, ran);
      engine.stop();
      ran.kv_bytes = engine.kv_bytes();
      ran.peak_on_host = engine.planner_stats().peak_in_place_pages;
    }
    ran.all_ran_at_once = run_.world.all_reduce_max(ran.all_ran_at_once ? 1 : 0) != 0;
    return ran;
  }

  /// As many slots without offload. Ranks: collective.
  int64_t kv_bytes(Side side, int64_t slots) const {
    return Session(run_.mpi, run_.world, settings(side, slots, 0), std::nullopt).engine().kv_bytes();
  }

  /// The smallest device of `least` slots and more on which the questions run at once without offload, which they do
  /// with most_slots(). Ranks: collective.
  Ran smallest_without_offload(Side side, int64_t least) const {
    for (int64_t slots = least; slots < most_slots(); ++slots) {
      Ran ran = run(side, slots, 0);
      if (ran.all_ran_at_once) return ran;
    }
    return run(side, most_slots(), 0);
  }

  /// The smallest device that they run at once on with offload, in steps of a twentieth of `base` slots, which is
  /// the largest. Looked for with the group that begins at `group`. Ranks: collective.
  Ran smallest_with_offload(int64_t base, int64_t group) const {
    constexpr int64_t kSteps = 20;
    // The host has what the device has not, and some for pages that are read no more.
    const auto run_at = [&](int64_t step, std::optional<int64_t> group_alone) {
      const int64_t slots = base * step / kSteps;
      return run({.is_sparse = true, .offloads = true}, slots, base - slots + 2 * sizes_.at_once, group_alone);
    };
    int64_t low = 0, high = kSteps;  // they do not, and do
    while (high - low > 1) {
      const int64_t middle = (low + high) / 2;
      const bool is_enough = base * middle / kSteps >= least_slots() && run_at(middle, group).all_ran_at_once;
      (is_enough ? high : low) = middle;
    }
    for (; high < kSteps; ++high) {
      Ran ran = run_at(high, {});
      if (ran.all_ran_at_once) return ran;
    }
    return run_at(kSteps, {});
  }

 private:
  int64_t pages_of_longest() const {
    const int64_t page = run_.engine.cache.page_tokens;
    return (sizes_.longest + sizes_.new_tokens + page - 1) / page;
  }
  KvFormat format() const { return parse_kv_format(run_.engine.cache.format_of_bits()); }
  int64_t is_split() const { return KvLayout{.format = format()}.splits_first_page() ? 1 : 0; }

  EngineSettings settings(Side side, int64_t slots, int64_t host_slots) const {
    return settings_of(run_, sizes_, side, slots - is_split(), host_slots);
  }

  const ClaimRun& run_;
  const Questions* questions_;
  QuestionSizes sizes_;
};

struct Figures {
  const Ran &dense, &offloaded;
  int64_t sparse_bytes = 0;
  int64_t equal = 0, right = 0, right_dense = 0;
};

Figures figures_of(const Questions& questions, const Ran& dense, const Ran& sparse, const Ran& offloaded,
                   int64_t sparse_bytes) {
  Figures figures{dense, offloaded, sparse_bytes};
  for (int64_t i = 0; i < questions.sizes().num_questions; ++i) {
    const auto& tokens = offloaded.tokens[static_cast<size_t>(i)];
    figures.equal += tokens == sparse.tokens[static_cast<size_t>(i)] ? 1 : 0;
    if (!questions.have_answers()) continue;
    figures.right += questions.is_right(i, tokens) ? 1 : 0;
    figures.right_dense += questions.is_right(i, dense.tokens[static_cast<size_t>(i)]) ? 1 : 0;
  }
  return figures;
}

double mib(int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

std::string work_of(const ClaimRun& run, const Questions& questions) {
  const QuestionSizes& sizes = questions.sizes();
  return fmt::format(
      "{} {} (prompts of {} to {} tokens), {} running at once, {} tokens behind each whether it has ended "
      "or not; format {}, pages of {} tokens, ratio {}, of layers {}",
      sizes.num_questions, questions.have_answers() ? "held-out questions" : "random prompts", sizes.shortest,
      sizes.longest, sizes.at_once, sizes.new_tokens, run.engine.cache.format_of_bits(), run.engine.cache.page_tokens,
      sparse_ratio_of(run), run.engine.attention.sparse_layer_ratios);
}

Claim claim_of(const ClaimRun& run, const Questions& questions, const Figures& figures) {
  constexpr double kLeastAnswers = 0.995;
  const Ran &dense = figures.dense, &offloaded = figures.offloaded;
  const auto num_questions = static_cast<double>(questions.sizes().num_questions);
  const std::string answers = questions.have_answers() ? fmt::format("{} answers are exact, {} with dense attention",
                                                                     figures.right, figures.right_dense)
                                                       : "random weights have no right answers";
  const std::string how = fmt::format(
      "{}; device memory for keys and values, summaries counted: {:.1f} MiB ({} pages, a twentieth fewer did not do, "
      "and "
      "at the peak {} on the host) with attention.sparse_offload, {:.1f} MiB ({} pages, what they hold at the peak) "
      "with "
      "dense attention, {:.1f} MiB with sparse attention without offload; nobody was preempted; {} of {} answers have "
      "the same tokens as without offload; {}",
      work_of(run, questions), mib(offloaded.kv_bytes), offloaded.slots, offloaded.peak_on_host, mib(dense.kv_bytes),
      dense.slots, mib(figures.sparse_bytes), figures.equal, questions.sizes().num_questions, answers);
  const double saving = 1.0 - static_cast<double>(offloaded.kv_bytes) / static_cast<double>(dense.kv_bytes);
  Claim claim = judged("sparse-memory", {saving, saving, saving}, how,
                       "a prompt lies on the device while it is computed, the first and last pages of every sequence "
                       "stay there, and so do summaries of all pages");
  const bool are_equal = static_cast<double>(figures.equal) >= kLeastAnswers * num_questions;
  const bool are_right = static_cast<double>(figures.right) >= kLeastAnswers * static_cast<double>(figures.right_dense);
  if (are_equal && are_right) return claim;
  claim.verdict = Verdict::kDoesNotHold;
  claim.reason = fmt::format("of {} answers {} are equal and {} exact, {} with dense attention; claimed is 99.5 %",
                             questions.sizes().num_questions, figures.equal, figures.right, figures.right_dense);
  return claim;
}

}  // namespace

std::vector<EngineSettings> sparse_memory_settings(const ClaimRun& run) {
  const QuestionSizes sizes{.at_once = run.sizes.at_once, .longest = 1};
  return {settings_of(run, sizes, {}, 1, 0), settings_of(run, sizes, {.is_sparse = true}, 1, 0),
          settings_of(run, sizes, {.is_sparse = true, .offloads = true}, 1, 1)};
}

std::vector<Claim> measure_sparse_memory(const ClaimRun& run) {
  const bool is_root = run.world.rank().value() == 0;
  std::optional<Questions> questions;
  run_phase(run.world, kExitFailure, [&] {
    if (is_root) questions.emplace(run);
  });
  QuestionSizes sizes;
  if (is_root) sizes = questions->sizes();
  sizes.share(run.world);
  const int64_t group = run.world.all_reduce_max(is_root ? questions->largest_group() : 0);
  const int64_t tokens = sizes.longest + sizes.new_tokens;
  if (tokens > run.model.max_positions)
    return {not_measurable("sparse-memory",
                           fmt::format("the model has {} positions, and a prompt of {} tokens and {} behind it take "
                                       "more",
                                       run.model.max_positions, sizes.longest, sizes.new_tokens),
                           "")};

  const Measurement measurement(run, questions ? &*questions : nullptr, sizes);
  const Side is_dense, is_sparse{.is_sparse = true};
  const Ran sparse = measurement.run(is_sparse, measurement.most_slots(), 0);
  const int64_t held = run.world.all_reduce_max(sparse.peak_held_slots);
  const Ran dense = measurement.smallest_without_offload(is_dense, held);
  const int64_t sparse_bytes = measurement.kv_bytes(is_sparse, dense.slots);
  const Ran offloaded = measurement.smallest_with_offload(dense.slots, group);
  if (!is_root) return {};
  if (!sparse.all_ran_at_once || !dense.all_ran_at_once || !offloaded.all_ran_at_once)
    return {not_measurable("sparse-memory", "some of the prompts ended before others were computed",
                           work_of(run, *questions))};
  return {claim_of(run, *questions, figures_of(*questions, dense, sparse, offloaded, sparse_bytes))};
}

}  // namespace lockstep::bench
