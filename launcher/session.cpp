#include "launcher/session.h"

#include "cache/cache_stats.h"
#include "core/error.h"
#include "core/log.h"
#include "dist/comm/transport.h"
#include "dist/model/key_calibration.h"
#include "kernels/page_summaries.h"
#include "launcher/commands/command.h"
#include "launcher/phase.h"
#include "launcher/runtime/numerics.h"

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
  run_phase(world, kExitUsage, [&] {
    topology_.emplace(mpi.world_size(), tp, mpi.world_rank());
    LS_REQUIRE(
        ConfigError, !settings.cache.shrinks() || topology_->dp() == 1,
        "cache.cold_format = {} and {} replicas (tp = {} of {} ranks): which rows a replica gets depends on time, "
        "and with it which pages change: one replica is possible",
        settings.cache.cold_format, topology_->dp(), tp, mpi.world_size());
    parse_faults(settings.transfer.inject);
  });
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
    sizing_.engine.numerics = fmt::format("{} {} {}", runtime_->numerics(), summation_order(tp), kNumericsVersion);
  });
  require_equal(world, "the model", checkpoint_->fingerprint());
  agree_on_sizing(world, runtime_->context().device, sizing_);
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
  calibrate();
  run_phase(world, kExitFailure, [&] {
    if (sizing_.engine.tiers.host_slots > 0) open_tiers(mpi.node_size());
  });
  if (sizing_.engine.tiers.host_slots > 0) {
    engine_->use_tiers(*tiers_);
    if (is_root()) describe_tiers();
  }
  load_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (is_root()) {
    constexpr double kMiB = 1024.0 * 1024.0;
    log_info(
        "{} {} in {}, {} ranks = {} replicas x {} tensor-parallel; a rank holds weights {:.1f} MiB, activations {:.1f} "
        "MiB, KV cache {:.1f} MiB ({} tokens, {}); loaded in {:.2f} s",
        name_of(checkpoint_->config().architecture), settings.model.path, name_of(sizing_.engine.dtype),
        topology_->world_size(), topology_->dp(), tp, static_cast<double>(sizing_.memory.weights) / kMiB,
        static_cast<double>(sizing_.memory.activations) / kMiB, static_cast<double>(sizing_.memory.kv_cache) / kMiB,
        tokens_in(sizing_.engine, sizing_.engine.num_slots), sizing_.reason, load_seconds_);
    if (sizing_.engine.sparse && sizing_.engine.sparse->num_sparse(checkpoint_->config().num_layers) == 0)
      log_warn(
          "attention.sparse_ratio = {}: no layer of the model's {} is sparse (attention.sparse_dense_layers, "
          "attention.sparse_layer_ratios)",
          settings.attention.sparse_ratio, checkpoint_->config().num_layers);
  }
}

// Layers differ in how much their keys suffer from 4 bits; the pages get their size by it.
void Session::calibrate() {
  engine_->calibrate();
  run_phase(world_, kExitFailure, [&] { engine_->widen_keys(); });
  const EngineConfig& config = engine_->config();
  const KvLayout& layout = engine_->kv_layout();
  sizing_.engine = config;
  sizing_.slot_bytes = device_slot_bytes(config, layout);
  sizing_.memory.kv_cache = device_cache_bytes(config, layout);
  sizing_.memory.host_cache =
      config.tiers.host_bytes > 0 ? config.tiers.host_bytes : config.tiers.host_slots * HostPool::slot_bytes_of(layout);
  if (!is_root() || engine_->key_signal_to_noise().empty()) return;
  const LayerSet& wide_keys = layout.format == KvFormat::kKv4 ? layout.wide_keys : engine_->cold_layout().wide_keys;
  std::string layers;
  for (int64_t layer = 0; layer < layout.num_layers; ++layer) {
    const double decibels = engine_->key_signal_to_noise()[static_cast<size_t>(layer)];
    layers += fmt::format("{}{:.1f}{}", layer == 0 ? "" : " ", decibels, wide_keys.contains(layer) ? "*" : "");
  }
  log_info(
      "keys in 4 bits, signal to noise by layer in dB: {}; {} of {} layers keep keys of 8 bits (*: under {:.0f} dB)",
      layers, wide_keys.size(), layout.num_layers, kLeastKeyDecibels);
}

void Session::open_tiers(int32_t node_size) {
  const ModelShard shard = shard_of(checkpoint_->config(), topology_->tp(), topology_->tp_rank());
  const HeadRange heads{static_cast<int32_t>(shard.kv_heads.begin), static_cast<int32_t>(shard.kv_heads.size())};
  tiers_ = std::make_unique<CacheTiers>(sizing_.engine.tiers, engine_->kv_layout(), heads, engine_->page_content(),
                                        node_size, runtime_->context().device, engine_->cold_layout());
}

void Session::describe_tiers() const {
  const TierConfig& tiers = engine_->tier_config();
  const PageCosts& costs = engine_->page_costs();
  const int64_t page_tokens = sizing_.engine.page_tokens;
  constexpr double kMicrosecond = 1e3;
  log_info("KV cache below the device: host {} tokens, disk {} tokens beside {} found ({})",
           tokens_in(sizing_.engine, tiers.host_slots), tokens_in(sizing_.engine, tiers.disk_pages),
           tokens_in(sizing_.engine, static_cast<int64_t>(tiers.stored.size())),
           tiers_->store() ? tiers_->store()->io() : "none");
  if (tiers.cold_slots > 0) {
    const KvLayout& cold = engine_->cold_layout();
    log_info("{} of the host's pages keep {}, {} have {} ({} of {} bytes a rank)", tiers.host_slots,
             name_of(engine_->kv_layout().format), tiers.cold_slots, name_of(cold.format), cold.page_bytes(),
             engine_->kv_layout().page_bytes());
  }
  log_info("a page of {} tokens: {:.0f} us to compute, {:.0f} us from the host, {:.0f} us from the disk", page_tokens,
           static_cast<double>(costs.compute) / kMicrosecond, static_cast<double>(costs.from_host) / kMicrosecond,
           static_cast<double>(costs.from_disk) / kMicrosecond);
  for (const Tier tier : {Tier::kHost, Tier::kDisk}) {
    if (engine_->is_bypassed(tier))
      log_warn("the {} tier is left out: computing a page is faster (cache.load_or_recompute = load uses it)",
               name_of(tier));
  }
}

}  // namespace lockstep
