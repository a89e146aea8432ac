// Runs a decoder outside the engine: one sequence, any chunking, logits on this rank.
#pragma once

#include "cache/device_pool.h"
#include "cache/page_table.h"
#include "core/checkpoint/checkpoint.h"
#include "dist/communicator.h"
#include "dist/model/decoder.h"

#include <filesystem>
#include <memory>
#include <vector>

namespace lockstep::testing_support {

class ModelRunner {
 public:
  ModelRunner(const std::filesystem::path& model, Communicator& communicator, CpuIsa isa, int num_threads = 1);

  const ModelConfig& config() const { return checkpoint_.config(); }
  /// Vocabulary range of this rank's logits.
  Range vocab() const { return shard_.vocab; }
  /// Forgets the sequence.
  void restart();
  /// Appends `tokens` to the sequence in chunks of `chunk` tokens; returns this rank's logits after the last one.
  std::vector<float> append(const std::vector<TokenId>& tokens, int64_t chunk);
  /// Greedy continuation of what was appended last. Ranks: collective.
  std::vector<TokenId> greedy(std::vector<float> logits, int64_t count);

 private:
  static constexpr int64_t kPageTokens = 16;

  Communicator& communicator_;
  Checkpoint checkpoint_;
  ModelShard shard_;
  ThreadPool threads_;
  Stream stream_;
  OpContext context_;
  Decoder decoder_;
  int64_t num_slots_;
  DevicePool pool_;
  std::unique_ptr<PageTable> table_;
  std::vector<PageId> pages_;
  int64_t length_ = 0;
};

}  // namespace lockstep::testing_support
