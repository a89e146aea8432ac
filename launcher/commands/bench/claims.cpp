#include "launcher/commands/bench/claims.h"

#include "core/checkpoint/synthetic.h"
#include "core/error.h"
#include "dist/comm/mpi/mpi_environment.h"
#include "launcher/commands/bench/kinds.h"
#include "launcher/commands/bench/report.h"
#include "launcher/commands/command.h"
#include "launcher/commands/parse.h"
#include "launcher/phase.h"

#include <algorithm>
#include <cstdio>
#include <initializer_list>
#include <unordered_map>

namespace lockstep::bench {
namespace {

// Prints and keeps the claims of a measurement that were asked for. Rank 0's.
class Claims {
 public:
  Claims(const std::vector<std::string>& chosen, const std::vector<std::string>& arguments, int32_t ranks)
      : chosen_(chosen), arguments_(arguments), ranks_(ranks) {}

  bool wants(std::initializer_list<std::string_view> names) const {
    return std::any_of(names.begin(), names.end(), [&](std::string_view name) {
      return std::find(chosen_.begin(), chosen_.end(), name) != chosen_.end();
    });
  }
  void take(std::vector<Claim> claims) {
    for (Claim& claim : claims) {
      if (!wants({claim.name})) continue;
      claim.command = command_for(claim.name, arguments_, ranks_);
      std::fputs(table_lines(claim).c_str(), stdout);
      std::fflush(stdout);
      rows_.push_back(to_json(claim));
    }
  }
  const nlohmann::json& rows() const { return rows_; }

 private:
  const std::vector<std::string>& chosen_;
  const std::vector<std::string>& arguments_;
  int32_t ranks_;
  nlohmann::json rows_ = nlohmann::json::array();
};

// What a comparison changes could contradict the command line: told before anything has been measured.
void require_settings(const ClaimRun& run, const std::vector<std::string>& chosen) {
  using SettingsOf = std::vector<EngineSettings> (*)(const ClaimRun&);
  static const std::unordered_map<std::string_view, SettingsOf> kByClaim{{"reuse", reuse_settings},
                                                                         {"hit-rate", reuse_settings},
                                                                         {"sparse-memory", sparse_memory_settings},
                                                                         {"sparse-accuracy", accuracy_settings},
                                                                         {"kv8-accuracy", accuracy_settings},
                                                                         {"kv4-accuracy", accuracy_settings},
                                                                         {"parallel", parallel_settings},
                                                                         {"mixed-precision", mixed_precision_settings},
                                                                         {"latency", latency_settings}};
  for (const std::string& name : chosen) {
    const auto found = kByClaim.find(name);
    if (found == kByClaim.end()) continue;  // no engine
    for (const EngineSettings& settings : found->second(run)) {
      try {
        settings.validate();
      } catch (const ConfigError& error) {
        LS_THROW(ConfigError, "{}: {}", name, error.what());
      }
      LS_REQUIRE(ConfigError, settings.model.max_sequence <= run.model.max_positions,
                 "{}: takes sequences of {} tokens; the model has {} positions", name, settings.model.max_sequence,
                 run.model.max_positions);
    }
  }
}

}  // namespace

void ClaimSettings::add_to(OptionSet& options) {
  std::string names;
  for (const ClaimSpec& spec : claim_specs()) names += (names.empty() ? "" : ", ") + std::string(spec.name);
  options.add("only", &only, "claims to measure, comma-separated, of " + names + "; empty = all");
  options.add("repeats", &repeats, "turns of every comparison; the median is shown with the spread");
  options.add("seconds", &seconds,
              "no turn begins after a comparison has taken so long, the first but the warm-up always does");
  options.group("Sizes");
  options.add("prefixes", &prefixes, "reuse, hit-rate: prefixes that requests share");
  options.add("requests", &requests, "reuse, hit-rate: requests, prefixes in turn");
  options.add("prefix-tokens", &prefix_tokens, "reuse, hit-rate: tokens of a prefix");
  options.add("suffix-tokens", &suffix_tokens, "reuse, hit-rate: tokens behind it that are new to every request");
  options.add("context", &context, "sparse-speed: tokens that one token attends to");
  options.add("rows", &rows, "accuracy, sparse-memory: the first so many rows of the held-out set, 0 = all");
  options.add("batch", &batch, "parallel, mixed-precision: sequences that start together");
  options.add("at-once", &at_once, "sparse-memory: sequences that run at once");
  options.add("input-tokens", &input_tokens, "parallel, mixed-precision: tokens of each random prompt");
  options.add("output-tokens", &output_tokens, "parallel, mixed-precision: tokens that each sequence generates");
  options.add("prompt-tokens", &prompt_tokens,
              "latency: tokens of the prompt that comes; sparse-memory: of random prompts, without held-out questions");
}

void ClaimSettings::validate() const {
  chosen_claims(only);
  for (const auto& [key, value] : {std::pair{"repeats", repeats},
                                   {"seconds", seconds},
                                   {"prefixes", prefixes},
                                   {"requests", requests},
                                   {"prefix-tokens", prefix_tokens},
                                   {"suffix-tokens", suffix_tokens},
                                   {"context", context},
                                   {"batch", batch},
                                   {"at-once", at_once},
                                   {"input-tokens", input_tokens},
                                   {"output-tokens", output_tokens},
                                   {"prompt-tokens", prompt_tokens}})
    require_positive(key, value);
  LS_REQUIRE(ConfigError, rows >= 0, "rows = {}: accepted are 0 and more", rows);
  LS_REQUIRE(ConfigError, requests >= prefixes, "requests = {}: accepted are {} (prefixes) and more", requests,
             prefixes);
}

int claims_command(const MpiEnvironment& mpi, Communicator& world, const std::vector<std::string>& arguments) {
  EngineSettings settings;
  settings.cache.host_tokens = 0;  // what is compared fits on the device
  CommonSettings common;
  ClaimSettings sizes;
  OptionSet options(
      "mpirun -n N lockstep bench claims (--model DIR | --shape NAME) [options]",
      "Measures what the specification claims, on this machine, and prints each claim beside the figure: whether it\n"
      "holds, does not hold, cannot hold, or cannot be measured here, and why; what was compared; and the command "
      "that\n"
      "repeats it. Both sides of a comparison run in turns. Accuracy needs a model with a held-out set. The options "
      "of\n"
      "the engine hold for both sides but for what is compared and what contradicts it. docs/benchmarks.md says what "
      "each\n"
      "claim is taken for.");
  options.group("Measurement");
  options.add("shape", &common.shape,
              "instead of --model: random weights of this shape, which never touch the disk: " + shape_names() +
                  ", or any config.json");
  options.add("json", &common.json, "file for the figures in machine-readable form");
  sizes.add_to(options);
  settings.add_to(options);
  options.add_implied("cache.host_bytes", {{"cache.host_tokens", "-1"}});
  ModelConfig model;
  std::vector<std::string> chosen;
  const ClaimRun run{mpi, world, settings, sizes, model};
  const auto check = [&] {
    sizes.validate();
    common.resolve(settings, world);
    const auto shape = shape_in(settings.model.path);
    model = config_of_shape(shape ? *shape : settings.model.path);
    chosen = chosen_claims(sizes.only);
    require_settings(run, chosen);
  };
  if (const auto code = parse_or_print(world, options, arguments, check)) return *code;

  const bool is_root = world.rank().value() == 0;
  const Runtime runtime(settings.runtime, world, mpi.node_rank(), mpi.node_size());
  Claims claims(chosen, arguments, world.size());
  // Of every measurement all ranks take part; what others than rank 0 are given back is empty or not looked at.
  const auto take = [&](std::initializer_list<std::string_view> names, const auto& measure) {
    if (!claims.wants(names)) return;
    std::vector<Claim> measured = measure();
    if (is_root) claims.take(std::move(measured));
  };
  if (is_root) std::printf("%s\n%s", runtime.description().c_str(), table_head().c_str());
  take({"reuse", "hit-rate"}, [&] { return measure_reuse(run); });
  take({"sparse-speed"}, [&] { return run_phase(world, kExitFailure, [&] { return measure_sparse(run, runtime); }); });
  take({"sparse-memory"}, [&] { return measure_sparse_memory(run); });
  take({"kv8-bytes", "kv4-bytes"}, [&] { return measure_page_bytes(run); });
  take({"sparse-accuracy", "kv8-accuracy", "kv4-accuracy"}, [&] { return measure_accuracy(run, chosen); });
  take({"parallel"}, [&] { return measure_parallel(run); });
  take({"mixed-precision"}, [&] { return measure_mixed_precision(run); });
  take({"latency"}, [&] { return measure_latency(run); });

  run_phase(world, kExitFailure, [&] {
    if (!is_root) return;
    const DType dtype = settings.model.dtype == "auto" ? model.dtype : parse_dtype(settings.model.dtype);
    nlohmann::json report = report_head("claims", settings.model.path, model, dtype, runtime, world.size());
    report["rows"] = claims.rows();
    write_report(common.json, report);
  });
  return 0;
}

}  // namespace lockstep::bench
