#include "dist/topology.h"

#include "core/error.h"

#include <fmt/ranges.h>

namespace lockstep {
namespace {

std::vector<int32_t> divisors_of(int64_t value) {
  std::vector<int32_t> divisors;
  for (int32_t candidate = 1; candidate <= value; ++candidate) {
    if (value % candidate == 0) divisors.push_back(candidate);
  }
  return divisors;
}

bool kv_heads_fit(int64_t num_kv_heads, int32_t tp) {
  return tp <= num_kv_heads ? num_kv_heads % tp == 0 : tp % num_kv_heads == 0;
}

}  // namespace

Topology::Topology(int32_t world_size, int32_t tp, Rank world_rank)
    : world_size_(world_size), tp_(tp), world_rank_(world_rank) {
  LS_REQUIRE(ConfigError, world_size >= 1, "world size {}; at least 1 rank is needed", world_size);
  LS_REQUIRE(ConfigError, world_rank.value() >= 0 && world_rank.value() < world_size,
             "world rank {} is outside [0, {})", world_rank.value(), world_size);
  LS_REQUIRE(ConfigError, tp >= 1 && world_size % tp == 0,
             "tensor-parallel degree {} does not divide the {} ranks started; accepted: {}", tp, world_size,
             fmt::join(divisors_of(world_size), ", "));
}

std::vector<int32_t> allowed_tp(const ModelConfig& config) {
  std::vector<int32_t> allowed;
  for (const int32_t tp : divisors_of(config.num_heads)) {
    if (config.intermediate_size % tp == 0 && kv_heads_fit(config.num_kv_heads, tp)) allowed.push_back(tp);
  }
  return allowed;
}

void require_tp(const ModelConfig& config, int32_t tp) {
  const std::vector<int32_t> allowed = allowed_tp(config);
  for (const int32_t degree : allowed) {
    if (degree == tp) return;
  }
  LS_THROW(
      ConfigError,
      "tensor-parallel degree {} does not fit a model of {} query heads, {} KV heads and FFN size {}; accepted: {}", tp,
      config.num_heads, config.num_kv_heads, config.intermediate_size, fmt::join(allowed, ", "));
}

}  // namespace lockstep
