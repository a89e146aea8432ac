#include "core/error.h"
#include "core/log.h"
#include "launcher/batch/file.h"
#include "launcher/commands/command.h"
#include "launcher/commands/parse.h"
#include "launcher/eval/evaluation.h"
#include "launcher/eval/setting_list.h"
#include "launcher/phase.h"
#include "launcher/session.h"

#include <cstdio>
#include <optional>

namespace lockstep {
namespace {

/// A setting and the options it comes to.
struct Candidate {
  EvalSetting setting;
  EngineSettings engine;
};

std::vector<Candidate> candidates_of(const EvalSettings& eval, const std::vector<std::string>& arguments,
                                     const Communicator& world) {
  std::vector<Candidate> candidates;
  for (EvalSetting& setting : parse_setting_list(eval.settings)) {
    EngineSettings engine = settings_of(setting, arguments);
    LS_REQUIRE(ConfigError, engine.runtime.tp == 0 || engine.runtime.tp == world.size(),
               "settings: {}: tp = {}: eval runs one replica of all {} ranks", setting.name, engine.runtime.tp,
               world.size());
    candidates.push_back({std::move(setting), std::move(engine)});
  }
  return candidates;
}

// Ranks: collective. Figures on rank 0, nothing on others.
std::optional<SettingFigures> run_candidate(const MpiEnvironment& mpi, Communicator& world, const Candidate& candidate,
                                            const EvalSettings& eval, Evaluation* evaluation, EvalReport& report) {
  if (evaluation != nullptr) log_info("setting {}: {}", candidate.setting.name, candidate.setting.to_string());
  Session session(mpi, world, candidate.engine, TextOptions{.chat_template = eval.chat_template});
  run_phase(world, kExitUsage, [&] {
    if (evaluation == nullptr) return;
    try {
      evaluation->prepare(session);
    } catch (const Error& error) {
      LS_THROW(ConfigError, "settings: {}: {}", candidate.setting.name, error.what());
    }
  });
  if (evaluation == nullptr) {
    session.engine().follow();
    return std::nullopt;
  }
  SettingFigures figures = evaluation->run(session);
  session.engine().stop();
  figures.name = candidate.setting.name;
  figures.options = candidate.setting.options;
  report.device = session.runtime().device_name();
  return figures;
}

}  // namespace

int eval_command(const MpiEnvironment& mpi, Communicator& world, const std::vector<std::string>& arguments) {
  EvalSettings eval;
  EngineSettings settings;
  OptionSet options(
      "mpirun -n N lockstep eval --model DIR [--input FILE] [--text FILE] [--settings LIST] [options]",
      "Scores one set under several settings of the engine: exact answers, perplexity, divergence of logits from the\n"
      "first setting, bytes of a token in the KV cache, tokens per second. Prints a table on standard output.\n"
      "docs/evaluation.md defines all figures. For example\n"
      "  --settings \"full,kv8,bf16: model.dtype=bf16,small pages: cache.page_tokens=16 cache.format=kv4\"");
  eval.add_to(options);
  settings.add_to(options);
  std::vector<Candidate> candidates;
  const auto check = [&] {
    eval.validate();
    settings.validate();
    candidates = candidates_of(eval, arguments, world);
  };
  if (const auto code = parse_or_print(world, options, arguments, check)) return *code;

  const bool is_root = world.rank().value() == 0;
  std::optional<Evaluation> evaluation;
  run_phase(world, kExitUsage, [&] {
    if (is_root) evaluation.emplace(eval, candidates.front().engine.model.path);
  });
  EvalReport report{.version = version(),
                    .model = settings.model.path,
                    .device = "",
                    .ranks = world.size(),
                    .input = evaluation ? evaluation->input() : "",
                    .text = evaluation ? evaluation->text() : "",
                    .bucket = eval.bucket,
                    .settings = {}};
  for (const Candidate& candidate : candidates) {
    auto figures = run_candidate(mpi, world, candidate, eval, evaluation ? &*evaluation : nullptr, report);
    if (figures) report.settings.push_back(std::move(*figures));
  }
  run_phase(world, kExitFailure, [&] {
    if (!is_root) return;
    std::fputs(table_of(report).c_str(), stdout);
    if (!eval.output.empty()) write_file_atomically(eval.output, json_of(report));
  });
  return world.all_reduce_max(is_root && report.has_failures() ? 1 : 0) != 0 ? kExitRowErrors : 0;
}

}  // namespace lockstep
