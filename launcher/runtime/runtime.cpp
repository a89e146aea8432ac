#include "launcher/runtime/runtime.h"

#include "core/error.h"
#include "launcher/commands/command.h"
#include "launcher/phase.h"
#include "launcher/runtime/cores.h"
#include "launcher/runtime/gpu_placement.h"

namespace lockstep {
namespace {

CpuIsa resolve_isa(const std::string& wanted, Communicator& world) {
  const CpuIsa mine = run_phase(world, kExitUsage, [&] {
    const CpuIsa best = detect_cpu_isa();
    if (wanted == "auto") return best;
    const CpuIsa asked = parse_cpu_isa(wanted);
    LS_REQUIRE(ConfigError, asked <= best, "isa = {}: this CPU offers at most {}", wanted, name_of(best));
    return asked;
  });
  return agree_isa(world, mine);
}

}  // namespace

Runtime::Runtime(const RuntimeSettings& settings, Communicator& world, int32_t local_rank, int32_t local_size) {
  const Placement placement = place_rank(settings, world, local_rank);
  const CoreShare share = placement.near_cores.empty() ? bind_to_cores(settings.bind, local_rank, local_size)
                                                       : bind_beside_gpu(settings.bind, placement.near_cores,
                                                                         placement.neighbour, placement.num_neighbours);
  // More ranks than cores: one thread each, or they would only take turns.
  const auto share_size = static_cast<int64_t>(share.cores.size());
  const int64_t automatic = local_size > share_size ? 1 : share_size;
  threads_ = std::make_unique<ThreadPool>(static_cast<int>(settings.threads > 0 ? settings.threads : automatic));
  context_ = {.device = placement.device, .threads = threads_.get(), .isa = resolve_isa(settings.isa, world)};
  run_phase(world, kExitFailure, [&] {
    stream_ = std::make_unique<Stream>(is_cuda() ? Stream::cuda(placement.device) : Stream::inline_cpu());
    if (is_cuda()) state_ = make_op_state(placement.device);
  });
  context_.stream = stream_.get();
  context_.state = state_.get();
  device_name_ = is_cuda() ? fmt::format("{}, {}", placement.name, state_->libraries()) : placement.name;
  if (is_cuda()) {
    require_equal(world, "the GPU libraries", hash128(device_name_));
    description_ = fmt::format("device {} ({}), {} threads a rank, {}", device_name_, placement.reason,
                               threads_->num_threads(), share.reason);
    return;
  }
  description_ =
      fmt::format("device cpu ({}), instruction set {} (highest that all {} ranks have{}), {} threads a rank, {}",
                  placement.reason, name_of(context_.isa), world.size(),
                  settings.isa == "auto" ? "" : ", bounded by --isa", threads_->num_threads(), share.reason);
}

void Runtime::start_trace(const TracerOptions& options) {
  tracer_ = std::make_unique<Tracer>(context_.device, options);
  context_.tracer = tracer_.get();
}

std::string Runtime::isa_name() const { return is_cuda() ? "none" : std::string(name_of(context_.isa)); }

std::string Runtime::numerics() const { return is_cuda() ? device_name_ : isa_name(); }

}  // namespace lockstep
