#include "core/error.h"
#include "core/log.h"
#include "dist/communicator.h"
#include "launcher/commands/bench/claims.h"
#include "launcher/commands/command.h"
#include "launcher/eval/eval_rows.h"
#include "launcher/eval/evaluation.h"
#include "launcher/phase.h"
#include "launcher/session.h"

#include <algorithm>
#include <array>
#include <optional>

namespace lockstep::bench {
namespace {

struct Compared {
  std::string_view claim, format;
  bool is_sparse = false;
};
constexpr Compared kReference{"", "full"};
constexpr std::array kCompared{Compared{"sparse-accuracy", "full", true}, Compared{"kv8-accuracy", "kv8"},
                               Compared{"kv4-accuracy", "kv4"}};

// Sparse from the third page on, or rows shorter than 2,048 tokens would tell nothing.
constexpr int64_t kDenseBelow = 128;

// Full precision and dense, but for what is claimed; without what needs sparse attention or another format.
EngineSettings settings_of(const ClaimRun& run, const Compared& one) {
  EngineSettings settings = run.engine;
  settings.cache.format = one.format;
  settings.cache.quantization_bits = 0;
  reset_cold_format(settings.cache);
  settings.attention.sparse_ratio = one.is_sparse ? sparse_ratio_of(run) : 1.0;
  if (!settings.attention.is_sparse()) settings.attention.sparse_layer_ratios = "none";
  if (one.is_sparse) settings.attention.sparse_dense_below = kDenseBelow;
  settings.attention.sparse_offload = "false";
  settings.attention.sparse_hot_pages = -1;
  return settings;
}

// What of them is told.
std::string text_of(const EngineSettings& settings) {
  std::string text =
      fmt::format("cache.format={} attention.sparse_ratio={}", settings.cache.format, settings.attention.sparse_ratio);
  if (settings.attention.is_sparse())
    text += fmt::format(" attention.sparse_layer_ratios={} attention.sparse_dense_below={}",
                        settings.attention.sparse_layer_ratios, settings.attention.sparse_dense_below);
  return text;
}

bool has_pages_for(const ClaimRun& run, const Compared& one) {
  return one.format == "full" || run.engine.cache.page_tokens % 16 == 0;
}

struct Answered {
  EngineSettings settings;
  SettingFigures figures;
  int64_t wide_layers = 0, layers = 0;
  SelectionTotals selected;
};

// Ranks: collective. Figures on rank 0.
Answered answer(const ClaimRun& run, const EngineSettings& settings, Evaluation* evaluation) {
  if (evaluation != nullptr) log_info("setting {}", text_of(settings));
  Session session(run.mpi, run.world, settings, TextOptions{});
  run_phase(run.world, kExitFailure, [&] {
    if (evaluation != nullptr) evaluation->prepare(session);
  });
  if (evaluation == nullptr) {
    session.engine().follow();
    return {};
  }
  Answered answered;
  answered.settings = settings;
  answered.figures = evaluation->run(session);
  session.engine().stop();
  const KvLayout& layout = session.engine().kv_layout();
  answered.wide_layers = layout.wide_keys.size();
  answered.layers = layout.num_layers;
  answered.selected = session.engine().selection_totals();
  return answered;
}

std::string details(std::string_view claim, const Answered& one, const Answered& full) {
  if (claim == "sparse-accuracy") {
    const SelectionTotals& sums = one.selected;
    const double read =
        sums.pages_there == 0 ? 0.0 : static_cast<double>(sums.pages_read) / static_cast<double>(sums.pages_there);
    return fmt::format("{}; short rows read their least pages and dense layers all: {:.1f} % of pages were read",
                       text_of(one.settings), 100.0 * read);
  }
  const std::string bytes = fmt::format("{:.0f} bytes a token, {:.0f} without a format", one.figures.bytes_per_token,
                                        full.figures.bytes_per_token);
  if (claim != "kv4-accuracy") return bytes;
  return fmt::format("{}; keys of 8 bits in {} of {} layers", bytes, one.wide_layers, one.layers);
}

// What so few rows can tell.
std::string resolution(int64_t lost, int64_t rows) {
  if (lost > 0) return fmt::format("one row is {:.1f} %", 100.0 / static_cast<double>(rows));
  return fmt::format("none lost of so many leaves losses up to {:.1f} % possible (95 %, 3 over their number)",
                     300.0 / static_cast<double>(rows));
}

Claim claim_of(std::string_view name, const Answered& one, const Answered& full) {
  const Score &score = one.figures.rows->score, &reference = full.figures.rows->score;
  if (reference.exact == 0)
    return not_measurable(name, "the model answers none of its rows in full precision", details(name, one, full));
  const int64_t lost = reference.exact - score.exact;
  const std::string how =
      fmt::format("{} of {} held-out rows exact, {} in full precision; {}; {}", score.exact, score.rows,
                  reference.exact, resolution(lost, reference.exact), details(name, one, full));
  const double share = static_cast<double>(score.exact) / static_cast<double>(reference.exact);
  return judged(name, {share, share, share}, how, fmt::format("{} answers were lost", lost));
}

}  // namespace

std::vector<EngineSettings> accuracy_settings(const ClaimRun& run) {
  std::vector<EngineSettings> all{settings_of(run, kReference)};
  for (const Compared& one : kCompared)
    if (has_pages_for(run, one)) all.push_back(settings_of(run, one));
  return all;
}

std::vector<Claim> measure_accuracy(const ClaimRun& run, const std::vector<std::string>& wanted) {
  const bool is_root = run.world.rank().value() == 0;
  const auto is_wanted = [&](std::string_view name) {
    return std::find(wanted.begin(), wanted.end(), name) != wanted.end();
  };
  const bool has_set = is_root && find_held_out(run.engine.model.path).has_value();
  if (run.world.all_reduce_max(has_set ? 1 : 0) == 0) {
    std::vector<Claim> none;
    for (const Compared& one : kCompared)
      none.push_back(not_measurable(one.claim, "the model has no held-out set (held_out.jsonl) with right answers",
                                    "as `lockstep eval`, with --model DIR"));
    return none;
  }
  EvalSettings eval;
  eval.rows = run.sizes.rows;
  std::optional<Evaluation> evaluation;
  run_phase(run.world, kExitFailure, [&] {
    if (is_root) evaluation.emplace(eval, run.engine.model.path);
  });
  const auto figures_of = [&](const Compared& one) {
    return answer(run, settings_of(run, one), evaluation ? &*evaluation : nullptr);
  };
  const Answered full = figures_of(kReference);
  std::vector<Claim> claims;
  for (const Compared& one : kCompared) {
    if (!is_wanted(one.claim)) continue;
    if (!has_pages_for(run, one)) {
      claims.push_back(not_measurable(one.claim, coded_pages_need(run.engine.cache.page_tokens), ""));
      continue;
    }
    const Answered answered = figures_of(one);
    if (is_root) claims.push_back(claim_of(one.claim, answered, full));
  }
  return claims;
}

}  // namespace lockstep::bench
