#include "launcher/session.h"

#include "core/log.h"
#include "launcher/commands/command.h"
#include "launcher/phase.h"

#include <chrono>

namespace lockstep {

Session::Session(const MpiEnvironment& mpi, Communicator& world, const EngineSettings& settings,
                 const std::optional<TextOptions>& text)
    : world_(world), settings_(settings) {
  const auto start = std::chrono::steady_clock::now();
  const auto tp = static_cast<int32_t>(settings.runtime.tp == 0 ? mpi.world_size() : settings.runtime.tp);
  run_phase(world, kExitUsage, [&] { topology_.emplace(mpi.world_size(), tp, mpi.world_rank()); });
  runtime_ = std::make_unique<Runtime>(settings.runtime, world, mpi.node_rank(), mpi.node_size());
  if (is_root()) log_info("{}", runtime_->description());

  run_phase(world, kExitFailure, [&] {
    checkpoint_ = Checkpoint::open(settings.model.path);
    require_tp(checkpoint_->config(), tp);
    if (text && topology_->is_leader())
      text_ = std::make_unique<TextModel>(settings.model.path, checkpoint_->config(), *text);
    const ModelShard shard = shard_of(checkpoint_->config(), tp, topology_->tp_rank());
    sizing_ = propose_sizing(settings, checkpoint_->config(), shard, runtime_->context(), available_memory(),
                             mpi.node_size());
  });
  require_equal(world, "the model", checkpoint_->fingerprint());
  agree_on_sizing(world, sizing_);
  group_ = world.split(topology_->replica(), topology_->tp_rank().value());
  run_phase(world, kExitFailure, [&] {
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
