// Real models and tokenizers that are not part of the repository.
#pragma once

#include <cstdlib>
#include <filesystem>

namespace lockstep::testing_support {

/// The directory in LOCKSTEP_SHARED_DATA, else shared/data beside the source tree. Tests skip, visibly, without it.
inline std::filesystem::path shared_data() {
  if (const char* path = std::getenv("LOCKSTEP_SHARED_DATA")) return path;
  return std::filesystem::path(LOCKSTEP_SOURCE_DIR) / ".." / "shared" / "data";
}

}  // namespace lockstep::testing_support
