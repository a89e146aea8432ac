// Checks and reads the header of a safetensors file held in memory: pure, so that any bytes can be tried on it.
#pragma once

#include "core/checkpoint/safetensors.h"

namespace lockstep {

struct SafetensorsHeader {
  std::string_view json;    // inside the bytes that were parsed
  int64_t data_offset = 0;  // first byte after the header
  std::map<std::string, SafetensorsEntry> entries;
};

/// `file` is the whole file; only the header is touched. On return the entries tile the data exactly: in range, without
/// overlap or hole, each as long as its shape and dtype say. Throws FormatError starting with `source`.
SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file, const std::string& source);

}  // namespace lockstep
