#include "core/checkpoint/checkpoint.h"
#include "core/checkpoint/synthetic.h"
#include "core/error.h"
#include "dist/comm/mpi/mpi_environment.h"
#include "dist/comm/transport.h"
#include "launcher/commands/bench/device_data.h"
#include "launcher/commands/bench/kernel_table.h"
#include "launcher/commands/bench/kinds.h"
#include "launcher/commands/bench/report.h"
#include "launcher/commands/command.h"
#include "launcher/commands/parse.h"
#include "launcher/phase.h"

#include <chrono>
#include <cstdio>

namespace lockstep::bench {
namespace {

struct KernelSettings {
  CommonSettings common;
  std::string ops, tokens = "1,8,64,512,2048", batch = "1,64", context = "4096", prompt = "1024,8192";
  int64_t cold_mib = 256;

  void add_to(OptionSet& options) {
    common.add_to(options);
    options.add("ops", &ops, "operations to measure, comma-separated, of " + operation_names() + "; empty = all");
    options.add("tokens", &tokens, "rows of products and of operations on rows, comma-separated");
    options.add("batch", &batch, "sequences of decode attention and of sampling, comma-separated");
    options.add("context", &context, "tokens behind each sequence in decode attention, comma-separated");
    options.add("prompt", &prompt, "tokens of prefill attention, comma-separated");
    options.add("cold-mib", &cold_mib,
                "memory that calls go through before they touch the same again, so that caches do not help, in MiB");
  }

  KernelShapes shapes() const {
    return {.config = {},
            .shard = {},
            .sparse = {},
            .tokens = parse_list("tokens", tokens),
            .batches = parse_list("batch", batch),
            .contexts = parse_list("context", context),
            .prompts = parse_list("prompt", prompt)};
  }
};

// Formats of pages, and how many of them a sparse token reads: in the layers that choose, whatever the context.
void add_pages(const EngineSettings& settings, KernelShapes& shapes) {
  constexpr double kRatio = 0.1;
  const AttentionSettings& attention = settings.attention;
  shapes.format = parse_kv_format(settings.cache.format_of_bits());
  if (settings.cache.has_cold()) shapes.cold_format = parse_kv_format(settings.cache.cold_format);
  shapes.sparse = {.ratio = attention.is_sparse() ? attention.sparse_ratio : kRatio,
                   .dense_below = 0,
                   .dense_layers = 0,
                   .sink_pages = attention.sparse_sink_pages,
                   .recent_pages = attention.sparse_recent_pages,
                   .least_pages = attention.sparse_least_pages,
                   .mass = 1.0};  // as many pages as the ratio allows: the most that it costs
}

// Sums of a step's activations. A fixed number of calls: every rank must make the same.
void measure_all_reduce(KernelTable& table, const KernelShapes& shapes, Communicator& group, int64_t repeats) {
  constexpr int64_t kCalls = 20;
  using Clock = std::chrono::steady_clock;
  const OpContext& context = table.context();
  for (const int64_t tokens : shapes.tokens) {
    const int64_t bytes = tokens * shapes.config.hidden_size * int64_t{sizeof(float)};
    DeviceTensor out(context, DType::kF32, {tokens, shapes.config.hidden_size});
    std::vector<double> seconds;
    for (int64_t repeat = 0; repeat <= repeats; ++repeat) {
      group.barrier();
      const auto start = Clock::now();
      for (int64_t i = 0; i < kCalls; ++i) {
        const TensorView partial(group.partial_buffer(bytes), DType::kF32, out.view.shape(), context.device);
        group.all_reduce_sum(context, partial, out.view);
      }
      context.stream->synchronize();
      const double took = std::chrono::duration<double>(Clock::now() - start).count();
      if (repeat > 0) seconds.push_back(took / static_cast<double>(kCalls));
    }
    if (group.rank().value() != 0) continue;
    const auto numbers = static_cast<double>(tokens * shapes.config.hidden_size);
    const double moved = 4.0 * numbers * static_cast<double>(group.size() - 1);  // what a rank receives of the others
    table.print_row({"all_reduce",
                     fmt::format("{} x {}, {} ranks", tokens, shapes.config.hidden_size, group.size()),
                     {moved, numbers * static_cast<double>(group.size() - 1)}},
                    spread_of(std::move(seconds)));
  }
}

std::unique_ptr<Communicator> make_group(const MpiEnvironment& mpi, Communicator& world,
                                         const RuntimeSettings& settings, Device device, std::string& reason) {
  const Transport transport = parse_transport(settings.transport);
  return run_phase(world, kExitFailure, [&] {
    if (device.kind == DeviceKind::kCpu) return make_world_communicator(mpi, transport, device, &reason);
    return make_device_communicator(world.split(0, world.rank().value()), transport, device, &reason);
  });
}

}  // namespace

int kernels_command(const MpiEnvironment& mpi, Communicator& world, const std::vector<std::string>& arguments) {
  EngineSettings settings;
  KernelSettings bench;
  OptionSet options(
      "mpirun -n N lockstep bench kernels (--model DIR | --shape NAME) [options]",
      "Measures what this machine can do, then every operation with the shapes of a model: one rank's part of it, and\n"
      "with several ranks their sums. 'of best' is the time that moving the operation's bytes or computing its FLOPs\n"
      "takes at least, over the time it took. Sizes that do not fit into memory are halved, which is said.\n"
      "Pages are sealed in cache.format (kv4 as if no layer kept keys of 8 bits); sparse attention is measured with\n"
      "attention.sparse_ratio, or 0.1 without one, whatever attention.sparse_layer_ratios says.");
  bench.add_to(options);
  settings.add_to(options);
  KernelShapes shapes;
  const auto check = [&] {
    bench.common.resolve(settings, world);
    shapes = bench.shapes();
    require_operations(bench.ops);
    require_positive("cold-mib", bench.cold_mib);
  };
  if (const auto code = parse_or_print(world, options, arguments, check)) return *code;

  run_phase(world, kExitUsage, [&] {
    const auto shape = shape_in(settings.model.path);
    shapes.config = config_of_shape(shape ? *shape : settings.model.path);
    shapes.shard = shard_of(shapes.config, world.size(), world.rank());
    shapes.dtype = settings.model.dtype == "auto" ? shapes.config.dtype : parse_dtype(settings.model.dtype);
    shapes.page_tokens = settings.cache.page_tokens;
    add_pages(settings, shapes);
  });
  const Runtime runtime(settings.runtime, world, mpi.node_rank(), mpi.node_size());
  const OpContext& context = runtime.context();
  std::string transport_reason;
  const std::unique_ptr<Communicator> group =
      make_group(mpi, world, settings.runtime, context.device, transport_reason);

  // One rank measures, or they would take memory and bandwidth from each other; the sums are everyone's.
  const bool is_first = world.rank().value() == 0;
  const MachineLimits limits = is_first ? measure_limits(context, shapes.dtype, bench.common) : MachineLimits{};
  KernelTable table(context, limits, bench.common.repeats, bench.cold_mib << 20, bench.ops);
  if (is_first) {
    std::printf("%s\nthis rank at best: %s\n", runtime.description().c_str(), limits.text.c_str());
    table.print_head();
    measure_row_operations(table, shapes);
    measure_products(table, shapes);
    measure_attention(table, shapes);
    measure_pages(table, shapes);
    measure_sampling(table, shapes);
  }
  world.barrier();
  if (group->size() > 1 && table.wants("all_reduce")) {
    if (is_first) std::printf("%s\n", transport_reason.c_str());
    measure_all_reduce(table, shapes, *group, bench.common.repeats);
  }
  if (!is_first) return 0;
  nlohmann::json report =
      report_head("kernels", settings.model.path, shapes.config, shapes.dtype, runtime, world.size());
  report["format"] = name_of(shapes.format);
  report["sparse_ratio"] = shapes.sparse.ratio;
  report["limits"] = limits.to_json();
  report["rows"] = table.rows();
  write_report(bench.common.json, report);
  return 0;
}

}  // namespace lockstep::bench
