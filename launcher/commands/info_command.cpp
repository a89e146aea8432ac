#include "cache/transfer/host_pool.h"
#include "core/checkpoint/checkpoint.h"
#include "core/cuda_module.h"
#include "core/error.h"
#include "core/settings/engine_settings.h"
#include "core/stream.h"
#include "dist/topology.h"
#include "launcher/commands/command.h"
#include "launcher/commands/parse.h"
#include "launcher/runtime/sizing.h"

#include <cstdio>

namespace lockstep {
namespace {

constexpr double kMiB = 1024.0 * 1024.0;

std::string list_of(const std::vector<int32_t>& values) {
  std::string text;
  for (const int32_t value : values) text += fmt::format("{}{}", text.empty() ? "" : " ", value);
  return text;
}

std::string rope_text(const ModelConfig& config) {
  constexpr const char* kNames[] = {"none", "linear", "llama3", "yarn"};
  const RopeScaling& scaling = config.rope_scaling;
  const std::string base = fmt::format("theta {}", config.rope_theta);
  if (scaling.kind == RopeScalingKind::kNone) return base;
  return base + fmt::format(", scaling {} x {}", kNames[static_cast<size_t>(scaling.kind)], scaling.factor);
}

std::string model_text(const Checkpoint& checkpoint) {
  const ModelConfig& c = checkpoint.config();
  std::string text = fmt::format(
      "architecture        {}\nparameters          {:.1f} M\nweights on disk     {:.1f} MiB, {}\nlayers              "
      "{}\n"
      "hidden, FFN         {}, {}\nheads               {} query, {} key/value, {} wide\nvocabulary          {}{}\n"
      "positions           {}\nRoPE                {}\n",
      name_of(c.architecture), static_cast<double>(c.num_parameters()) / 1e6,
      static_cast<double>(checkpoint.weight_bytes()) / kMiB, name_of(c.dtype), c.num_layers, c.hidden_size,
      c.intermediate_size, c.num_heads, c.num_kv_heads, c.head_dim, c.vocab_size,
      c.tie_word_embeddings ? " (embeddings tied)" : "", c.max_positions, rope_text(c));
  if (c.sliding_window > 0) text += fmt::format("sliding window      {}\n", c.sliding_window);
  return text + fmt::format("fingerprint         {}\ntensor parallelism  {}\n", checkpoint.fingerprint().to_string(),
                            list_of(allowed_tp(c)));
}

/// The settings under another preset, whatever preset the arguments name.
EngineSettings settings_under(const std::string& strategy, std::vector<std::string> arguments) {
  const std::string name = "--schedule.memory_strategy";
  for (size_t i = 0; i < arguments.size();) {
    const bool is_pair = arguments[i] == name;
    const bool is_it = is_pair || arguments[i].starts_with(name + "=");
    const auto at = arguments.begin() + static_cast<ptrdiff_t>(i);
    is_it ? static_cast<void>(arguments.erase(at, at + (is_pair && i + 1 < arguments.size() ? 2 : 1)))
          : static_cast<void>(++i);
  }
  arguments.push_back(name + "=" + strategy);
  EngineSettings settings;
  OptionSet options("", "");
  settings.add_to(options);
  options.parse(arguments);
  settings.validate();
  return settings;
}

void print_strategies(const std::vector<std::string>& arguments, const ModelConfig& model, const OpContext& context) {
  std::printf("\nOne rank under each schedule.memory_strategy, with the options given\n%-12s %6s %7s %8s %14s %12s\n",
              "strategy", "format", "sparse", "step", "page KiB/token", "KV tokens");
  const ModelShard shard = shard_of(model, 1, Rank(0));
  for (const char* const strategy : {"none", "speed", "balanced", "aggressive"}) {
    EngineSettings settings;
    Sizing sizing;
    try {
      settings = settings_under(strategy, arguments);
      sizing = propose_sizing(settings, model, shard, context, available_memory(context.device, 1, false));
    } catch (const ConfigError& error) {  // contradicts the options given
      std::printf("%-12s refused: %s\n", strategy, error.what());
      continue;
    }
    const double token_bytes = static_cast<double>(sizing.slot_bytes) / static_cast<double>(sizing.engine.page_tokens);
    std::printf("%-12s %6s %7g %8lld %14.2f %12lld\n", strategy, settings.cache.format_of_bits().c_str(),
                settings.attention.sparse_ratio, static_cast<long long>(settings.schedule.max_step_tokens),
                token_bytes / 1024.0, static_cast<long long>(tokens_in(sizing.engine, sizing.engine.num_slots)));
  }
}

/// Which layers the guard widens shows only when a job computes with the weights.
void print_guard(const EngineSettings& settings, const ModelConfig& model, const OpContext& context) {
  EngineSettings widest = settings;
  widest.cache.format = "k8v4";
  widest.cache.quantization_bits = 0;
  widest.cache.cold_format = "auto";
  const AvailableMemory available = available_memory(context.device, 1, false);
  Sizing sizing;
  try {
    sizing = propose_sizing(widest, model, shard_of(model, 1, Rank(0)), context, available);
  } catch (const ConfigError& error) {
    std::printf("kv4 is shown as if no layer's keys were too coarse in 4 bits; if all were: %s\n", error.what());
    return;
  }
  std::printf(
      "kv4 is shown as if no layer's keys were too coarse in 4 bits. A job finds those that are when it starts, and "
      "logs them;\nif all layers' keys keep 8 bits, a token takes %.2f KiB.\n",
      static_cast<double>(sizing.slot_bytes) / static_cast<double>(sizing.engine.page_tokens) / 1024.0);
}

void print_host_pages(const ModelConfig& model, const OpContext& context, const EngineSettings& settings) {
  std::printf(
      "\nPages of the host tier of one rank, if all layers keep keys of 4 bits where they may\n%4s %10s %12s %12s "
      "%12s\n",
      "tp", settings.cache.format_of_bits().c_str(), settings.cache.cold_format.c_str(), "KiB a page", "cold KiB");
  for (const int32_t tp : allowed_tp(model)) {
    const ModelShard shard = shard_of(model, tp, Rank(0));
    const Sizing sizing = propose_sizing(settings, model, shard, context, available_memory(context.device, tp, false));
    const TierSizes& tiers = sizing.engine.tiers;
    std::printf("%4d %10lld %12lld %12.1f %12.1f\n", tp, static_cast<long long>(tiers.host_slots),
                static_cast<long long>(tiers.cold_slots),
                static_cast<double>(HostPool::slot_bytes_of(sizing.layout)) / 1024.0,
                static_cast<double>(sizing.cold_slot_bytes) / 1024.0);
  }
}

}  // namespace

int info_command(const MpiEnvironment&, Communicator& world, const std::vector<std::string>& arguments) {
  EngineSettings settings;
  OptionSet options(
      "lockstep info --model DIR [options]",
      "Prints what a checkpoint is and what a rank will hold of it, for every tensor-parallel degree that the\n"
      "model allows. Reads no weights.");
  settings.add_to(options);
  if (const auto code = parse_or_print(world, options, arguments, [&] { settings.validate(); })) return *code;
  if (world.rank().value() != 0) return 0;

  const Checkpoint checkpoint = Checkpoint::open(settings.model.path);
  const ModelConfig& model = checkpoint.config();
  std::fputs(model_text(checkpoint).c_str(), stdout);

  ThreadPool threads(1);
  OpContext context;
  context.threads = &threads;
  context.isa = settings.runtime.isa == "auto" ? detect_cpu_isa() : parse_cpu_isa(settings.runtime.isa);
  std::printf("\nCUDA                %s\n", cuda_status().reason.c_str());
  std::printf("\nMemory of one rank in MiB, KV cache as %s\n%4s %10s %12s %14s %12s\n",
              settings.cache.device_tokens > 0 || settings.cache.device_bytes > 0
                  ? "asked"
                  : "sized by this machine's free memory",
              "tp", "weights", "activations", "KV a token KiB", "KV tokens");
  for (const int32_t tp : allowed_tp(model)) {
    const ModelShard shard = shard_of(model, tp, Rank(0));
    const Sizing sizing = propose_sizing(settings, model, shard, context, available_memory(context.device, tp, false));
    const auto tokens = static_cast<double>(tokens_in(sizing.engine, sizing.engine.num_slots));
    std::printf("%4d %10.1f %12.1f %14.2f %12.0f\n", tp, static_cast<double>(sizing.memory.weights) / kMiB,
                static_cast<double>(sizing.memory.activations) / kMiB,
                static_cast<double>(sizing.memory.kv_cache) / 1024.0 / tokens, tokens);
  }
  if (settings.cache.has_cold()) print_host_pages(model, context, settings);
  print_strategies(arguments, model, context);
  if (settings.cache.page_tokens % 16 == 0) print_guard(settings, model, context);
  return 0;
}

}  // namespace lockstep
