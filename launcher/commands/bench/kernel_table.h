// The table of `lockstep bench kernels`: one measured operation a row, beside what the machine allows.
#pragma once

#include "core/checkpoint/model_config.h"
#include "dist/sharding.h"
#include "kernels/kv_layout.h"
#include "kernels/select_pages.h"
#include "launcher/commands/bench/costs.h"
#include "launcher/commands/bench/limits.h"
#include "launcher/commands/bench/timer.h"

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace lockstep::bench {

/// What is measured: one rank's part of a model, at these sizes.
struct KernelShapes {
  ModelConfig config;
  ModelShard shard;
  DType dtype = DType::kBF16;
  int64_t page_tokens = 64;
  KvFormat format = KvFormat::kFull;      // of sealed pages
  KvFormat cold_format = KvFormat::kKv4;  // that transcode turns them into, and back
  SparseRule sparse;                      // of select_pages and of attention to lists
  std::vector<int64_t> tokens, batches, contexts, prompts;
};

struct KernelCase {
  std::string op, shape;
  Cost cost;
  int64_t rotation = 1;  // see TimerSettings
  // False: what bounds it is no limit of the device (the bus, or one thread of the host), so no share is told.
  bool has_limit = true;
};

class KernelTable {
 public:
  /// `ops`: names of operations, comma-separated; empty = all. `cold_bytes`: what calls go through before they touch
  /// the same memory again.
  KernelTable(const OpContext& context, const MachineLimits& limits, int64_t repeats, int64_t cold_bytes,
              const std::string& ops);

  const OpContext& context() const { return context_; }
  bool wants(const std::string& op) const;
  /// How many areas of that size calls take turns in, so that they find none of them in a cache. 1 to 64.
  int64_t rotation(double bytes) const;
  /// Times `call`, prints the row and keeps it.
  void measure(const KernelCase& one, const std::function<void(int64_t)>& call);
  /// The same for work of the host, which no graph can hold.
  void measure_on_host(const KernelCase& one, const std::function<void(int64_t)>& call);
  void print_head() const;
  void print_row(const KernelCase& one, const Spread& seconds);
  const nlohmann::json& rows() const { return rows_; }

 private:
  const OpContext& context_;
  const MachineLimits& limits_;
  TimerSettings timer_;
  int64_t cold_bytes_;
  std::string ops_;
  nlohmann::json rows_ = nlohmann::json::array();
};

/// Calls `measure(size)`; while memory is not enough, again with half the size, and says so.
void shrink_to_fit(const std::string& what, int64_t size, const std::function<void(int64_t)>& measure);

void measure_row_operations(KernelTable& table, const KernelShapes& shapes);
void measure_products(KernelTable& table, const KernelShapes& shapes);
void measure_attention(KernelTable& table, const KernelShapes& shapes);
void measure_pages(KernelTable& table, const KernelShapes& shapes);
void measure_sampling(KernelTable& table, const KernelShapes& shapes);

/// "rms_norm, add_rms_norm, …": what `ops` may name.
std::string operation_names();
/// Throws ConfigError for a name that is no operation.
void require_operations(const std::string& ops);

}  // namespace lockstep::bench
