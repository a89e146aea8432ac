// Traces for tests of the replay.
#pragma once

#include "cache/policy/eviction_policy.h"
#include "cache/replay/replay.h"
#include "cache/replay/request_trace.h"
#include "tests/support/shared_data.h"

#include <charconv>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

inline RequestTrace trace_of(std::initializer_list<std::vector<uint64_t>> requests) {
  RequestTrace trace;
  for (const auto& request : requests) trace.add_request(request);
  return trace;
}

/// Requests that walk down a random tree of at most `num_nodes` nodes.
inline RequestTrace random_trace(std::mt19937_64& random, int64_t num_nodes, int64_t num_requests) {
  std::vector<int64_t> parents{-1};
  while (static_cast<int64_t>(parents.size()) < num_nodes) {
    parents.push_back(static_cast<int64_t>(random() % (parents.size() + 1)) - 1);
  }
  RequestTrace trace;
  for (int64_t r = 0; r < num_requests; ++r) {
    std::vector<uint64_t> chain;
    for (auto node = static_cast<int64_t>(random() % parents.size()); node >= 0;
         node = parents[static_cast<size_t>(node)])
      chain.insert(chain.begin(), static_cast<uint64_t>(node));
    trace.add_request(chain);
  }
  return trace;
}

inline ReplayCounts replay_of(const RequestTrace& trace, int64_t capacity, std::string_view policy_name,
                              bool knows_future = false) {
  const auto policy = make_eviction_policy(policy_name, knows_future);
  return replay(trace, capacity, *policy, knows_future ? next_requests(trace) : std::vector<uint32_t>{});
}

inline std::filesystem::path mooncake_path() {
  return testing_support::shared_data() / "traces" / "mooncake_conversation_trace.jsonl";
}

/// The published trace, read by its form: the numbers between the brackets of hash_ids.
inline RequestTrace mooncake_trace() {
  RequestTrace trace;
  std::ifstream file(mooncake_path());
  for (std::string line; std::getline(file, line);) {
    std::vector<uint64_t> ids;
    const char* at = line.data() + line.find('[', line.find("hash_ids")) + 1;
    while (*at != ']') {
      uint64_t id = 0;
      at = std::from_chars(at, line.data() + line.size(), id).ptr;
      ids.push_back(id);
      while (*at == ',' || *at == ' ') ++at;
    }
    trace.add_request(ids);
  }
  return trace;
}

}  // namespace lockstep
