#include "launcher/session.h"

#include "core/log.h"
#include "dist/comm/transport.h"
#include "launcher/commands/command.h"
#include "launcher/phase.h"

#include <chrono>

namespace lockstep {

namespace {

// The ranks of one replica. CPU groups get their transport from `world`; on GPUs it is chosen for the group.
std::unique_ptr<Communicator> make_group(const MpiEnvironment& mpi, Communicator& world, const Topology& topology,
                                         const RuntimeSettings& settings, Device device, std::string& reason) {
  const Transport transport = parse_transport(settings.transport);
  const auto split = [&](Communicator& all) { return all.split(topology.replica(), topology.tp_rank().value()); };
  return run_phase(world, kExitFailure, [&] {
    if (device.kind == DeviceKind::kCpu) return split(*make_world_communicator(mpi, transport, device, &reason));
    std::unique_ptr<Communicator> group = split(world);
    return group->size() == 1
               ? std::move(group)
               : make_device_communicator(std::move(group), transport, device, &reason, settings.fused_norm);
  });
}

}  // namespace

Session::Session(const MpiEnvironment& mpi, Communicator& world, const EngineSettings& settings,
                 const std::optional<TextOptions>& text)
    : world_(world), settings_(settings) {
  const auto start = std::chrono::steady_clock::now();
  const auto tp = static_cast<int32_t>(settings.runtime.tp == 0 ? mpi.world_size() : settings.runtime.tp);
  run_phase(world, kExitUsage, [&] { topology_.emplace(mpi.world_size(), tp, mpi.world_rank()); });
  runtime_ = std::make_unique<Runtime>(settings.runtime, world, mpi.node_rank(), mpi.node_size());
  if (is_root()) log_info("{}", runtime_->description());

  run_phase(world, kExitFailure, [&] {
    if (!settings.trace.file.empty()) runtime_->start_trace({.layers = settings.trace.layers});
    checkpoint_ = Checkpoint::open(settings.model.path);
    require_tp(checkpoint_->config(), tp);
    if (text && topology_->is_leader())
      text_ = std::make_unique<TextModel>(settings.model.path, checkpoint_->config(), *text);
    const ModelShard shard = shard_of(checkpoint_->config(), tp, topology_->tp_rank());
    const AvailableMemory available =
        available_memory(runtime_->context().device, mpi.node_size(), settings.runtime.share_gpu);
    sizing_ = propose_sizing(settings, checkpoint_->config(), shard, runtime_->context(), available);
    sizing_.engine.numerics = runtime_->numerics();
  });
  require_equal(world, "the model", checkpoint_->fingerprint());
  agree_on_sizing(world, sizing_);
  std::string transport_reason;
  group_ = make_group(mpi, world, *topology_, settings.runtime, runtime_->context().device, transport_reason);
  if (is_root() && tp > 1) log_info("{}", transport_reason);
  // Graphs need sums that can be recorded.
  sizing_.engine.graphs = sizing_.engine.graphs && (group_->size() == 1 || group_->is_capturable());
  run_phase(world, kExitFailure, [&] {
    const HostSpan span(runtime_->context().tracer, "load");
    engine_ = std::make_unique<Engine>(runtime_->context(), *checkpoint_, *topology_, *group_, sizing_.engine);
    engine_->set_text(text_.get());
  });
  load_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (is_root()) {
    constexpr double kMiB = 1024.0 * 1024.0;
    log_info(
        "{} {} in {}, {} ranks = {} replicas x {} tensor-parallel; a rank holds weights {:.1f} MiB, activations {:.1f} "
        "MiB, KV cache {:.1f} MiB ({} tokens, {}); loaded in {:.2f} s",
        name_of(checkpoint_->config().architecture), settings.model.path, name_of(sizing_.engine.dtype),
        topology_->world_size(), topology_->dp(), tp, static_cast<double>(sizing_.memory.weights) / kMiB,
        static_cast<double>(sizing_.memory.activations) / kMiB, static_cast<double>(sizing_.memory.kv_cache) / kMiB,
        sizing_.engine.num_slots * sizing_.engine.page_tokens, sizing_.reason, load_seconds_);
  }
}

}  // namespace lockstep
