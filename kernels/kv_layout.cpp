#include "kernels/kv_layout.h"

#include "core/error.h"

#include <algorithm>
#include <array>

namespace lockstep {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"full", "kv8", "k8v4", "kv4"};

}  // namespace

std::string_view name_of(KvFormat format) { return kNames[static_cast<size_t>(format)]; }

KvFormat parse_kv_format(std::string_view name) {
  const auto at = std::find(kNames.begin(), kNames.end(), name);
  LS_REQUIRE(ConfigError, at != kNames.end(), "page format '{}': accepted are full, kv8, k8v4, kv4", name);
  return static_cast<KvFormat>(at - kNames.begin());
}

}  // namespace lockstep
