#include "launcher/runtime/runtime.h"

#include "core/error.h"
#include "launcher/commands/command.h"
#include "launcher/phase.h"
#include "launcher/runtime/cores.h"

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

std::string device_reason(const std::string& wanted) {
  LS_REQUIRE(NotCompiled, wanted != "cuda", "device = cuda: this build has no CUDA decoder; accepted are auto, cpu");
  return wanted == "cpu" ? "as asked" : "this build computes on CPUs only";
}

}  // namespace

Runtime::Runtime(const RuntimeSettings& settings, Communicator& world, int32_t local_rank, int32_t local_size)
    : stream_(Stream::inline_cpu()) {
  const std::string reason = run_phase(world, kExitFailure, [&] { return device_reason(settings.device); });
  const CoreShare share = bind_to_cores(settings.bind, local_rank, local_size);
  // More ranks than cores: one thread each, or they would only take turns.
  const auto share_size = static_cast<int64_t>(share.cores.size());
  const int64_t automatic = local_size > share_size ? 1 : share_size;
  threads_ = std::make_unique<ThreadPool>(static_cast<int>(settings.threads > 0 ? settings.threads : automatic));
  context_ = {
      .device = Device::cpu(), .stream = &stream_, .threads = threads_.get(), .isa = resolve_isa(settings.isa, world)};
  device_name_ = "cpu";
  description_ =
      fmt::format("device cpu ({}), instruction set {} (highest that all {} ranks have{}), {} threads a rank, {}",
                  reason, name_of(context_.isa), world.size(), settings.isa == "auto" ? "" : ", bounded by --isa",
                  threads_->num_threads(), share.reason);
}

}  // namespace lockstep
