// Everything a command needs before its first step: ranks arranged, model opened, sizes agreed, engine loaded.
#pragma once

#include "core/checkpoint/checkpoint.h"
#include "core/settings/engine_settings.h"
#include "dist/comm/mpi/mpi_environment.h"
#include "dist/communicator.h"
#include "dist/topology.h"
#include "launcher/engine.h"
#include "launcher/runtime/runtime.h"
#include "launcher/runtime/sizing.h"
#include "launcher/text_model.h"

#include <memory>
#include <optional>

namespace lockstep {

/// Opened on every rank in the same order. A rank that fails tells the others: all throw, none waits.
class Session {
 public:
  /// `text`: how to read tokenizer and template; nothing for a session that handles token ids only.
  /// Ranks: collective over the world. Throws: PhaseFailure on every rank.
  Session(const MpiEnvironment& mpi, Communicator& world, const EngineSettings& settings,
          const std::optional<TextOptions>& text = TextOptions{});

  const EngineSettings& settings() const { return settings_; }
  const Topology& topology() const { return *topology_; }
  Communicator& world() const { return world_; }
  Communicator& group() const { return *group_; }
  const Runtime& runtime() const { return *runtime_; }
  const Checkpoint& checkpoint() const { return *checkpoint_; }
  const Sizing& sizing() const { return sizing_; }
  /// Leaders of a session with text.
  const TextModel& text() const { return *text_; }
  Engine& engine() const { return *engine_; }
  double load_seconds() const { return load_seconds_; }
  bool is_root() const { return topology_->world_rank().value() == 0; }

 private:
  void calibrate();
  void open_tiers(int32_t node_size);
  void describe_tiers() const;

  Communicator& world_;
  EngineSettings settings_;
  std::unique_ptr<Communicator> group_;
  std::optional<Topology> topology_;
  std::unique_ptr<Runtime> runtime_;
  std::optional<Checkpoint> checkpoint_;
  std::unique_ptr<TextModel> text_;
  Sizing sizing_;
  std::unique_ptr<CacheTiers> tiers_;
  std::unique_ptr<Engine> engine_;
  double load_seconds_ = 0.0;
};

}  // namespace lockstep
