// The bodies behind crc32c() of core/hash.h, which picks one at run time. Both give the same value for every input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace lockstep {

using Crc32cFunction = uint32_t (*)(std::span<const std::byte> bytes, uint32_t crc);

/// True if this CPU runs crc32c_hardware (x86-64 with SSE4.2).
bool has_crc32c_instructions();
/// Three interleaved chains of CRC instructions, as one chain waits three cycles for each 8 bytes.
/// Source: Gopal et al., "Fast CRC computation for iSCSI polynomial using CRC32 instruction", Intel 2011.
uint32_t crc32c_hardware(std::span<const std::byte> bytes, uint32_t crc);
/// Eight table look-ups per 8 bytes ("slicing by 8").
uint32_t crc32c_portable(std::span<const std::byte> bytes, uint32_t crc);

}  // namespace lockstep
