// What `lockstep replay` is asked for, from its options.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

class OptionSet;

struct ReplaySettings {
  std::string trace;
  std::string model;  // "" = the trace has block ids
  std::string capacity;
  std::string capacity_unit = "blocks";
  std::string policy = "lru,lfu,fifo,adaptive,min";
  std::string future = "unknown";
  std::string order = "arrival";
  std::string csv, plot;    // "" = none
  int64_t page_tokens = 0;  // 0 = 512 for block ids, 64 for a batch file
  int64_t estimate = -1;    // one of 2^estimate blocks; -1 = no estimate

  void add_to(OptionSet& options);
  /// Throws ConfigError naming option, value and accepted values.
  void validate() const;

  bool knows_future() const { return future == "known"; }
  int64_t block_tokens() const { return page_tokens > 0 ? page_tokens : model.empty() ? 512 : 64; }
  /// In blocks, ascending, each once. After validate().
  std::vector<int64_t> capacities() const;
  std::vector<std::string> policies() const;
};

/// "10000,30k,1M" as whole numbers ≥ 1: k, M and G stand for 10^3, 10^6, 10^9, with decimals where they end on a whole
/// number (1.5k). Throws ConfigError naming the item.
std::vector<int64_t> parse_sizes(std::string_view text);

}  // namespace lockstep
