// A file that one process holds at a time: opened, made if it is missing, and locked with flock(2).
#pragma once

#include "launcher/batch/file.h"

#include <chrono>
#include <filesystem>
#include <string_view>

namespace lockstep {

struct LockedFile {
  File file;
  /// False on file systems without flock: then nothing keeps a second process away.
  bool is_held = false;
};

/// Opens `path` for reading and writing, content as it is, and locks it until the File is closed. Waits up to
/// `patience` for another process: ranks of a killed mpirun take a moment to end.
/// Throws: IoError if it cannot be opened, or is still held then ("another job is writing {what}").
LockedFile open_and_lock(const std::filesystem::path& path, std::string_view what, std::chrono::milliseconds patience);

}  // namespace lockstep
