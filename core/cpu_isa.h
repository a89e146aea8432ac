// Instruction-set levels of the CPU kernels, found at run time: one binary starts on every x86-64 machine.
//
// The level decides the bits of results (different instructions round differently), so all ranks of a job agree on one:
// the lowest over the ranks (dist/agree.h). It is part of a job's manifest.
#pragma once

#include <cstdint>
#include <string_view>

namespace lockstep {

/// Ordered: each level includes those before it.
/// kAvx2 = AVX2 + FMA + F16C; kAvx512 = F, BW, DQ, VL; kAvx512Bf16 adds AVX512_BF16 and AVX512_VNNI; kAmx adds AMX-BF16
/// tiles.
enum class CpuIsa : uint8_t { kScalar, kAvx2, kAvx512, kAvx512Bf16, kAmx };

std::string_view name_of(CpuIsa isa);
/// "scalar", "avx2", "avx512", "avx512_bf16", "amx". Throws ConfigError naming the accepted values.
CpuIsa parse_cpu_isa(std::string_view text);
/// The highest level that this CPU and operating system run (AMX: tile permission was granted to this process).
CpuIsa detect_cpu_isa();

}  // namespace lockstep
