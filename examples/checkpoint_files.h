// What programs that write checkpoints share.
#pragma once

#include "core/dtype.h"
#include "core/error.h"

#include <filesystem>
#include <fstream>
#include <string>

namespace lockstep::examples {

/// Replaces the file. Throws IoError.
inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream stream(path, std::ios::binary | std::ios::trunc);
  stream << text;
  stream.close();
  LS_REQUIRE(IoError, !stream.fail(), "cannot write {}", path.string());
}

/// As config.json has it.
inline std::string torch_dtype(DType dtype) {
  switch (dtype) {
    case DType::kF16: return "float16";
    case DType::kBF16: return "bfloat16";
    default: return "float32";
  }
}

}  // namespace lockstep::examples
