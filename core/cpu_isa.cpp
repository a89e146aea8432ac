#include "core/cpu_isa.h"

#include "core/error.h"

#include <array>
#include <utility>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace lockstep {
namespace {

constexpr std::array<std::pair<CpuIsa, std::string_view>, 5> kNames{{{CpuIsa::kScalar, "scalar"},
                                                                     {CpuIsa::kAvx2, "avx2"},
                                                                     {CpuIsa::kAvx512, "avx512"},
                                                                     {CpuIsa::kAvx512Bf16, "avx512_bf16"},
                                                                     {CpuIsa::kAmx, "amx"}}};

#if defined(__x86_64__)

#if !defined(__clang__) && __GNUC__ < 13
bool cpu_has_amx_bf16() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  constexpr unsigned kAmxBf16 = 1U << 22, kAmxTile = 1U << 24;
  return (d & kAmxBf16) != 0 && (d & kAmxTile) != 0;
}
#else
bool cpu_has_amx_bf16() { return __builtin_cpu_supports("amx-bf16") && __builtin_cpu_supports("amx-tile"); }
#endif

// Linux keeps the 8 KiB of tile state off until a process asks for it.
bool request_amx_permission() {
  constexpr long kArchReqXcompPerm = 0x1023;
  constexpr long kXfeatureXtileData = 18;
  return syscall(SYS_arch_prctl, kArchReqXcompPerm, kXfeatureXtileData) == 0;
}

CpuIsa detect() {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("f16c")) {
    return CpuIsa::kScalar;
  }
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl")) {
    return CpuIsa::kAvx2;
  }
  if (!__builtin_cpu_supports("avx512bf16") || !__builtin_cpu_supports("avx512vnni")) return CpuIsa::kAvx512;
  return cpu_has_amx_bf16() && request_amx_permission() ? CpuIsa::kAmx : CpuIsa::kAvx512Bf16;
}

#else

CpuIsa detect() { return CpuIsa::kScalar; }

#endif

}  // namespace

std::string_view name_of(CpuIsa isa) {
  for (const auto& [value, name] : kNames) {
    if (value == isa) return name;
  }
  return "?";
}

CpuIsa parse_cpu_isa(std::string_view text) {
  for (const auto& [value, name] : kNames) {
    if (name == text) return value;
  }
  LS_THROW(ConfigError, "instruction set '{}' is unknown; accepted: scalar, avx2, avx512, avx512_bf16, amx", text);
}

CpuIsa detect_cpu_isa() {
  static const CpuIsa isa = detect();
  return isa;
}

}  // namespace lockstep
